"""`triseal site settings` and `config`: settings of nodes, changed over the link."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import words
from triseal.cli import completion, node_settings, options, output
from triseal.cli.site_options import chosen, open_site, where_option
from triseal.site.rules import settings as rules

if TYPE_CHECKING:
    from triseal.site.manager import Manager
    from triseal.site.rules.configuring import Configured

app = typer.Typer()

_COLUMNS = ("node", "version", "told", "state", "settings")
_CHECK_EVERY = 0.2
_WAIT_SECONDS = 10.0
_IN_FORCE = "in force"

Nodes = Annotated[
    list[str] | None,
    typer.Argument(help="Names of nodes.", metavar="[NODE]...", autocompletion=completion.nodes),
]
Where = Annotated[str | None, where_option("The nodes")]
Servers = Annotated[
    list[str] | None,
    typer.Option(
        "--server",
        help="Where `triseal site serve` listens. Repeatable: the node tries them in this order.",
        metavar="HOST:PORT",
    ),
]
Wifis = Annotated[
    list[str] | None,
    typer.Option(
        "--wifi",
        help="Wi-Fi to join. Repeatable: the node tries them in this order. Passwords come from"
        f" {node_settings.PASSWORD}, one in each line, or are asked for.",
        metavar="SSID",
    ),
]
Grace = Annotated[
    int | None,
    typer.Option(
        "--grace",
        min=0,
        max=rules.MAX_GRACE,
        help="As of `triseal node provision`; from the next start of the board.",
        metavar="SECONDS",
    ),
]
Spread = Annotated[
    int | None,
    typer.Option(
        "--spread",
        min=1,
        max=rules.MAX_SPREAD,
        help="As of `triseal node provision`.",
        metavar="SECONDS",
    ),
]
Watchdog = Annotated[
    int | None,
    typer.Option(
        "--watchdog",
        min=0,
        max=rules.MAX_WATCHDOG,
        help="As of `triseal node provision`; from the next start of the board.",
        metavar="SECONDS",
    ),
]
Trial = Annotated[
    int | None,
    typer.Option(
        "--trial",
        min=rules.LEAST_TRIAL,
        max=rules.MAX_TRIAL,
        help="Seconds for which a node tries new settings before it returns to the old ones.",
        metavar="SECONDS",
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait", min=0, help="Seconds to wait until the nodes have them.", metavar="SECONDS"
    ),
]


@app.command(
    epilog=options.examples(
        "site settings",
        "site settings kitchen --server new.example:7443 --server old.example:7443",
        "site settings --where floor=2 --wifi Plant --wifi Office --wait 60",
    )
)
def settings(
    nodes: Nodes = None,
    where: Where = None,
    server: Servers = None,
    wifi: Wifis = None,
    grace: Grace = None,
    spread: Spread = None,
    watchdog: Watchdog = None,
    trial: Trial = None,
    wait: Wait = _WAIT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show or change the settings of nodes over the link.

    A node tries new settings, and returns by itself to those before if it does not reach its site
    with them within the time of --trial (300 s). So keep the old server until all nodes are in
    force. The command ends with status 1 if a node gave them up. Without a setting it shows all
    that the site has changed; passwords are never shown.
    """
    numbers = {"grace": grace, "spread": spread, "watchdog": watchdog, "trial": trial}
    changes: dict[str, object] = {key: n for key, n in numbers.items() if n is not None}
    if server:
        changes["server"] = [list(node_settings.address(one)) for one in server]
    if wifi:
        changes["wifi"] = _with_passwords(wifi)
    with open_site(home_dir) as site:
        on = chosen(site, nodes, where)
        if not changes:
            _show(site, on, as_json=as_json)
            return
        if not on:
            raise typer.BadParameter("give names of nodes, or --where", param_hint="NODE")
        _change(site, on, changes, wait, as_json=as_json)


@app.command(
    epilog=options.examples(
        "site config kitchen unit=celsius", "site config --where floor=2 interval=60 unit-"
    )
)
def config(
    words: Annotated[
        list[str],
        typer.Argument(
            help="KEY=VALUE sets a value, KEY- takes it away. Without --where a node comes first.",
            metavar="[NODE] KEY=VALUE|KEY-...",
            autocompletion=completion.nodes,
        ),
    ],
    where: Where = None,
    wait: Wait = _WAIT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Change the configuration of nodes over the link.

    It is for services with the grant config:KEY, which read the new value as soon as the node has
    it. Other keys stay as they are.
    """
    names, pairs = ([], words) if where is not None else (words[:1], words[1:])
    taken = [pair[:-1] for pair in pairs if pair.endswith("-") and "=" not in pair]
    given = [pair for pair in pairs if not pair.endswith("-") or "=" in pair]
    if not pairs:
        raise typer.BadParameter("give KEY=VALUE or KEY-", param_hint="KEY=VALUE")
    values: dict[str, str | None] = {**rules.read_config(given)}
    rules.read_config([f"{key}=" for key in taken])
    for key in taken:
        values[key] = None
    with open_site(home_dir) as site:
        on = chosen(site, names, where)
        _change(site, on, {"config": values}, wait, as_json=as_json)


def _with_passwords(names: list[str]) -> list[list[str]]:
    """Return Wi-Fi networks with their passwords, from the environment or from a person."""
    for name in names:
        rules.check_ssid(name)
    told = os.environ.get(node_settings.PASSWORD)
    if told is None:
        said = [typer.prompt(f"Password of {name}", hide_input=True) for name in names]
    else:
        said = told.split("\n")
    if len(said) != len(names):
        raise typer.BadParameter(
            f"{node_settings.PASSWORD} has {words.count(len(said), 'line')} for "
            f"{words.count(len(names), 'network')}",
            param_hint="--wifi",
        )
    for password in said:
        rules.check_password(password)
    return [list(pair) for pair in zip(names, said, strict=True)]


def _change(
    site: Manager, on: list[str], changes: dict[str, object], seconds: float, *, as_json: bool
) -> None:
    """Change settings, wait until the nodes have them, and print that. Raises SettingsGivenUp."""
    from triseal.site.errors import SettingsGivenUp

    versions = site.change_settings(on, changes)
    end = time.monotonic() + seconds
    while True:
        found = [one for one in site.settings() if one.node in versions]
        if all(one.state in (_IN_FORCE, "given up") for one in found) or time.monotonic() >= end:
            break
        time.sleep(_CHECK_EVERY)
    _print(found, as_json=as_json)
    failed = [one.node for one in found if one.state == "given up"]
    if failed:
        raise SettingsGivenUp(", ".join(failed))


def _show(site: Manager, on: list[str], *, as_json: bool) -> None:
    found = [one for one in site.settings() if not on or one.node in on]
    _print(found, as_json=as_json)


def _print(found: list[Configured], *, as_json: bool) -> None:
    rows = [
        {
            "node": one.node,
            "version": one.version,
            "told": one.told,
            "state": one.state,
            "settings": one.shown
            if as_json
            else [f"{key}={value}" for key, value in one.shown.items()],
        }
        for one in found
    ]
    output.table(rows, _COLUMNS, as_json=as_json, empty="the site has changed no settings")
