"""The options that several commands of `triseal site` and `triseal node` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triseal.cli import completion, options

if TYPE_CHECKING:
    from triseal.site.manager import Manager

WHO = "the site's key"
DEFAULT_PAGES_PORT = 7480

_UNIX = "unix:"
_MOST_PORT = 65535

NodeName = Annotated[
    str, typer.Argument(help="Name of the node.", metavar="NODE", autocompletion=completion.nodes)
]
ServiceName = Annotated[
    str,
    typer.Argument(
        help="Name of the service.", metavar="SERVICE", autocompletion=completion.services
    ),
]


def node_option(what: str) -> Any:
    """Return the option --node, which completes the names of nodes.

    Args:
        what: its help.
    """
    return typer.Option("--node", help=what, metavar="NODE", autocompletion=completion.nodes)


def service_option(what: str) -> Any:
    """Return the option --service, which completes the names of services.

    Args:
        what: its help.
    """
    return typer.Option(
        "--service", help=what, metavar="SERVICE", autocompletion=completion.services
    )


def pages_at(text: str, least: int = 1) -> int | Path:
    """Parse the place of a server's pages.

    Args:
        text: a port, or `unix:` and the path of a Unix socket.
        least: the smallest port.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text.startswith(_UNIX) and len(text) > len(_UNIX):
        return Path(text.removeprefix(_UNIX))
    if text.isascii() and text.isdigit() and least <= int(text) <= _MOST_PORT:
        return int(text)
    raise typer.BadParameter(
        f"give a port from {least} to {_MOST_PORT}, or unix:PATH", param_hint="--pages"
    )


def open_site(folder: Path | None, passphrase_file: Path | None = None) -> Manager:
    """Open a site. Its key is opened only when it is needed.

    Args:
        folder: the site's home; None for the usual one.
        passphrase_file: file with the passphrase of its key, or None.
    """
    from triseal.site import home  # the database is slow to load, and not always needed
    from triseal.site.manager import Manager

    return Manager(folder or home.default(), options.passphrase(passphrase_file, WHO))
