"""The options for the settings of a node, and its settings.json."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from boards import addresses
from boards.errors import BadAddress
from boards.inventory import Foreign
from sealcore import renewal
from triseal.site.errors import BadSettings
from triseal.site.rules import settings as rules

DEFAULT_TRIAL = rules.TRIAL
PASSWORD = "TRISEAL_WIFI_PASSWORD"

Grace = Annotated[
    int,
    typer.Option(
        "--grace",
        min=0,
        max=rules.MAX_GRACE,
        help="Seconds in total for which services may run after a power loss before the site is "
        "heard. They come on top of the bound of a change. 0 is the strict policy.",
        metavar="SECONDS",
    ),
]
Config = Annotated[
    list[str] | None,
    typer.Option("--config", help="For services with the grant config:KEY.", metavar="KEY=VALUE"),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Where `triseal site serve` listens. Without it the node is renewed over the cable.",
        metavar="HOST:PORT",
    ),
]
Wifi = Annotated[
    str | None,
    typer.Option(
        "--wifi",
        help=f"Wi-Fi to join. Its password comes from {PASSWORD} (empty for none), or is asked "
        "for.",
        metavar="SSID",
    ),
]
Watchdog = Annotated[
    int | None,
    typer.Option(
        "--watchdog",
        min=0,
        max=rules.MAX_WATCHDOG,
        help="Seconds after which the hardware resets the board if a service blocks it (RP2: at "
        "most 8). Without this option 30 on an ESP32, and none on other boards.",
        metavar="SECONDS",
    ),
]
NoWatchdog = Annotated[
    bool,
    typer.Option(
        "--no-watchdog", help="Use no hardware watchdog: nothing ends a service that blocks."
    ),
]

Spread = Annotated[
    int,
    typer.Option(
        "--spread",
        min=1,
        max=rules.MAX_SPREAD,
        help="Seconds within which the nodes of a site connect after a power outage; the same for "
        "all of them. `triseal sim plan` recommends a value.",
        metavar="SECONDS",
    ),
]

Trial = Annotated[
    int,
    typer.Option(
        "--trial",
        min=1,
        max=rules.MAX_TRIAL,
        help="Seconds within which a new agent must reach the site and run all services. Otherwise "
        "the node starts the old one again.",
        metavar="SECONDS",
    ),
]


def of(
    grace: int,
    config: list[str] | None,
    server: str | None,
    wifi: str | None,
    watchdog: int | None,
    spread: int,
    trial: int = rules.TRIAL,
) -> dict[str, Any]:
    """Make a node's settings from the options.

    Args:
        grace: seconds, see `Grace`.
        config: texts as KEY=VALUE, or None.
        server: address of the server as HOST:PORT, or None.
        wifi: SSID of a Wi-Fi, or None.
        watchdog: seconds, 0 for none, or None for the default of the board.
        spread: seconds, see `Spread`.
        trial: seconds, see `Trial`.

    Returns: the settings; `with_password` completes them.

    Raises:
        typer.BadParameter: an option has a wrong form.
    """
    with _option("--config"):
        settings: dict[str, Any] = {"grace": grace, "config": rules.read_config(config or [])}
    if server is not None:
        settings["server"] = address(server)
    if wifi is not None:
        with _option("--wifi"):
            rules.check_ssid(wifi)
        settings["wifi"] = [wifi]
    if watchdog is not None:
        settings["watchdog"] = watchdog
    if spread != renewal.CONNECT_SPREAD:
        settings["spread"] = spread
    if trial != rules.TRIAL:
        settings["trial"] = trial
    return settings


def with_password(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with the password of the Wi-Fi, which a person may be asked for.

    Call it when all else that can be checked is right.

    Args:
        settings: from `of`.

    Raises:
        BadSettings: no Wi-Fi has such a password.
    """
    if "wifi" not in settings:
        return settings
    password = os.environ.get(PASSWORD)
    if password is None:
        password = typer.prompt("Wi-Fi password", hide_input=True)
    rules.check_password(password)
    return settings | {"wifi": [*settings["wifi"], password]}


@contextlib.contextmanager
def _option(name: str) -> Iterator[None]:
    try:
        yield
    except BadSettings as error:
        raise typer.BadParameter(error.detail, param_hint=name) from None


Clean = Annotated[
    bool,
    typer.Option("--clean", help="Move unknown files to /triseal-moved on the board."),
]
Keep = Annotated[
    bool,
    typer.Option("--keep", help="Keep unknown files. A boot.py runs before the agent."),
]


def foreign(*, clean: bool, keep: bool) -> Foreign:
    """Return what to do with unknown files on a board.

    Args:
        clean: whether --clean was given.
        keep: whether --keep was given.

    Raises:
        typer.BadParameter: both were given.
    """
    if clean and keep:
        raise typer.BadParameter("give only one of --clean and --keep", param_hint="--clean")
    return "move" if clean else "keep" if keep else "refuse"


def address(text: str) -> tuple[str, int]:
    """Parse the value of --server.

    Args:
        text: the value, HOST:PORT.

    Raises:
        typer.BadParameter: no node can connect to it.
    """
    try:
        return addresses.parse(text)
    except BadAddress as error:
        raise wrong_address(error, "--server") from None


def wrong_address(error: BadAddress, option: str) -> typer.BadParameter:
    """Make the error for an option that is not an address.

    Args:
        error: the reason.
        option: name of the option.
    """
    return typer.BadParameter(f"{error.detail}. {error.advice}", param_hint=option)
