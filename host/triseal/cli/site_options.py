"""The options that several commands of `triseal site` and `triseal node` share."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triseal.cli import completion, options
from triseal.errors import NoPassphrase

if TYPE_CHECKING:
    from triseal.signer import Signer
    from triseal.site.manager import Manager

WHO = "the site's key"
ROOT = "the root's key"
DEFAULT_PAGES_PORT = 7480

_UNIX = "unix:"
_MOST_PORT = 65535


class Width(enum.StrEnum):
    """How many columns a table has."""

    NARROW = "narrow"
    WIDE = "wide"


Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        help="Key of another root that signs too: a file, or pkcs11:... (RFC 7512). Repeatable.",
        metavar="URI",
    ),
]
RootKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--root-key",
        help="Key of another root that signs too: a file, or pkcs11:... (RFC 7512). Repeatable.",
        metavar="URI",
    ),
]
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


def where_option(what: str) -> Any:
    """Return the option --where, a selector of nodes.

    Args:
        what: its help.
    """
    return typer.Option(
        "--where", help=f"{what} that match, such as floor=2,chip!=esp32.", metavar="SELECTOR"
    )


def chosen(site: Manager, names: Sequence[str] | None, where: str | None) -> list[str]:
    """Return the names of the nodes that --node and --where mean; none of both is no name.

    Args:
        site: the site.
        names: the names of nodes, or None.
        where: the selector, or None.

    Raises:
        typer.BadParameter: both are given.
        BadSelector, NoNodeMatches: as `Manager.matching`.
    """
    if where is None:
        return list(names or ())
    if names:
        raise typer.BadParameter("not allowed with names of nodes", param_hint="--where")
    return site.matching(where)


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

    ask = options.passphrase(passphrase_file, WHO)
    return Manager(folder or home.default(), ask, ask_root=_no_root)


def _no_root() -> bytes:
    raise NoPassphrase("this command does not open the root's key")


def open_to_change_trust(
    folder: Path | None,
    root_passphrase_file: Path | None,
    uris: Sequence[str] = (),
    passphrase_file: Path | None = None,
) -> Manager:
    """Open a site whose trust is to change.

    Args:
        folder: the site's home; None for the usual one.
        root_passphrase_file: file with the passphrase of the root's key, or None.
        uris: keys of more roots; each is opened at once.
        passphrase_file: file with the passphrase of the site's key, or None.
    """
    from triseal.site import home
    from triseal.site.manager import Manager

    ask = options.passphrase(passphrase_file, WHO)
    ask_root = options.passphrase(root_passphrase_file, ROOT, root=True)
    site = Manager(folder or home.default(), ask, ask_root=ask_root)
    site.use_roots([open_root(uri) for uri in uris])
    return site


def open_root(uri: str, root_passphrase_file: Path | None = None) -> Signer:
    """Open the key of a root that `--key` names.

    Args:
        uri: see `keysource.open_uri`.
        root_passphrase_file: file with its passphrase; None to ask for it.
    """
    from triseal import keysource

    ask = options.passphrase(root_passphrase_file, f"the root {uri}", root=True)
    return keysource.open_uri(uri, ask)
