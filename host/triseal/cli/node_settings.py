"""What a node is told when it is provisioned: from options to its settings.json."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from boards.inventory import Foreign

PASSWORD = "TRISEAL_WIFI_PASSWORD"
_MAX_GRACE = 7 * 86400
_MAX_WATCHDOG = 3600

Grace = Annotated[
    int,
    typer.Option(
        "--grace",
        min=0,
        max=_MAX_GRACE,
        help="Seconds in all that services may run after power loss, until the site is heard "
        "again, past the bound of a change too; 0 is the strict policy.",
        metavar="SECONDS",
    ),
]
Config = Annotated[
    list[str] | None,
    typer.Option("--config", help="For services with a grant for it.", metavar="KEY=VALUE"),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Where `triseal site serve` listens; without it the node is renewed over the cable.",
        metavar="HOST:PORT",
    ),
]
Wifi = Annotated[
    str | None,
    typer.Option(
        "--wifi",
        help=f"Wi-Fi to join; its password comes from {PASSWORD}, else it is asked for.",
        metavar="SSID",
    ),
]
Watchdog = Annotated[
    int,
    typer.Option(
        "--watchdog",
        min=0,
        max=_MAX_WATCHDOG,
        help="Have the hardware reset the board when a service blocks it for so many seconds "
        "(RP2: 8 at most); 0: no watchdog, and nothing ends a service that blocks.",
        metavar="SECONDS",
    ),
]


def of(
    grace: int, config: list[str] | None, server: str | None, wifi: str | None, watchdog: int
) -> dict[str, Any]:
    """The settings that these options make.

    Raises:
        typer.BadParameter: one is not written as it should be.
    """
    settings: dict[str, Any] = {"grace": grace, "config": _config(config or [])}
    if server is not None:
        settings["server"] = address(server, "--server")
    if wifi is not None:
        password = os.environ.get(PASSWORD)
        settings["wifi"] = [
            wifi,
            typer.prompt("Wi-Fi password", hide_input=True) if password is None else password,
        ]
    if watchdog:
        settings["watchdog"] = watchdog
    return settings


Clean = Annotated[
    bool,
    typer.Option("--clean", help="Move files that nobody knows to /triseal-moved on the board."),
]
Keep = Annotated[
    bool,
    typer.Option("--keep", help="Leave them: they are meant. A boot.py runs before the agent."),
]


def foreign(*, clean: bool, keep: bool) -> Foreign:
    """What becomes of files that nobody knows.

    Raises:
        typer.BadParameter: both were said.
    """
    if clean and keep:
        raise typer.BadParameter("one of --clean and --keep", param_hint="--clean")
    return "move" if clean else "keep" if keep else "refuse"


def address(text: str, option: str) -> tuple[str, int]:
    """(host, port) of HOST:PORT; an IPv6 host may stand in brackets.

    Raises:
        typer.BadParameter: it is none; `option` is named then.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise typer.BadParameter("HOST:PORT", param_hint=option)
    return host.strip("[]"), int(port)


def _config(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--config")
        found[key] = value
    return found
