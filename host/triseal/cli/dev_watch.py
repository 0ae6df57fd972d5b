"""`triseal dev watch`: what a Store seals in one's name."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal.cli import options, output

if TYPE_CHECKING:
    from triseal.copies.watch import Me, Seen

app = typer.Typer()

FOLDER = "watched"
_EVERY = 30.0  # seconds


@app.command(
    epilog=options.examples(
        "dev watch https://shop.example:7490 --once",
        "dev watch https://shop.example:7490",
    )
)
def watch(
    store: Annotated[
        str, typer.Argument(help="URL of the Store or of a mirror, or its folder.", metavar="STORE")
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Look once and end, for cron; else until Ctrl-C.")
    ] = False,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Name what a Store has sealed in your name since the last time.

    The command ends with status 1 if somebody must look: a seal that you have not signed or not on
    this computer, another key with your name, or another history of the log. If it can be proved
    with public keys alone, a file in the folder `watched` of your home does that: `triseal evidence
    check`. Without --once the command looks every half minute, and ends when there is such a thing.
    """
    from triseal.copies import storesource  # slow to load, and --help needs none of it
    from triseal.copies.watch import Watch
    from triseal.developer import home

    folder = home_dir or home.default()
    watching = Watch(folder / FOLDER, _me(folder), store)
    while True:
        with storesource.opened(store) as source:
            view, seen = watching.look(source)
        if once or seen:
            _show([_facts(one) for one in seen], once=once, as_json=as_json)
        watching.done(view)
        if any(one.alarming for one in seen):
            raise typer.Exit(1)
        if once:
            return
        time.sleep(_EVERY)


def _me(folder: Path) -> Me:
    from triseal.copies.watch import Me
    from triseal.developer import home, signed

    own = home.show(folder)
    keys = {own.spki, *home.former(folder)}
    return Me(own.name, keys, signed.services(folder), lambda package: signed.has(folder, package))


def _show(rows: list[output.Facts], *, once: bool, as_json: bool) -> None:
    if once:
        columns = ("time", "service", "version", "what", "evidence")
        output.table(rows, columns, as_json=as_json, empty="nothing new in your name")
        return
    for row in rows:
        if as_json:
            typer.echo(json.dumps(row))
        else:
            release = "{service} {version}".format_map(row).strip()
            typer.echo(output.printable(f"{row['time']} {release}: {row['what']}"))


def _facts(seen: Seen) -> output.Facts:
    return {
        "time": output.time(seen.time),
        "entry": seen.position,
        "service": seen.service,
        "version": seen.version,
        "what": seen.what,
        "alarm": seen.alarming,
        "evidence": str(seen.evidence) if seen.evidence else None,
    }
