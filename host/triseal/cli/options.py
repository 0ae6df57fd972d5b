"""The options that several commands share, and the input of passphrases."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import passphrases
from triseal.choices import ALGORITHMS
from triseal.errors import WrongPassphrase

if TYPE_CHECKING:
    from triseal.keysource import NewKey


def _algorithm(value: str) -> str:
    if value not in ALGORITHMS:
        raise typer.BadParameter(f"give one of {', '.join(ALGORITHMS)}")
    return value


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder with the state of this role.", metavar="DIR", readable=False
    ),
]
Algorithm = Annotated[
    str,
    typer.Option(
        "--algorithm",
        help=f"Kind of key: {', '.join(ALGORITHMS)}.",
        metavar="KIND",
        callback=_algorithm,
    ),
]
KeyURI = Annotated[
    str,
    typer.Option(
        "--key",
        help="Keep the key on a token: pkcs11:token=LABEL;object=LABEL (RFC 7512). It is generated "
        "there unless it exists. The passphrase is the token's PIN.",
        metavar="URI",
    ),
]
NoPassphraseFlag = Annotated[
    bool, typer.Option("--no-passphrase", help="Keep the key unencrypted, in a file of mode 0600.")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File or pipe with the passphrase in its first line. Default: "
        f"{passphrases.ENVIRONMENT}, or ask.",
        metavar="FILE",
        readable=False,
    ),
]
RootPassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--root-passphrase-file",
        help="File or pipe with the passphrase of the root's key in its first line. Default: "
        f"{passphrases.ROOT_ENVIRONMENT}, or ask.",
        metavar="FILE",
        readable=False,
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="File to write.", metavar="FILE", readable=False)
]


URLS = ("https:", "http:")


def examples(*lines: str) -> str:
    """Make the end of a command's help. The backspace keeps its lines from being joined.

    Args:
        lines: the example commands, without `triseal`.
    """
    return "\b\nExamples:\n" + "\n".join(f"  triseal {line}" for line in lines)


def passphrase(file: Path | None, what: str, *, root: bool = False) -> Callable[[], bytes]:
    """Return a function that gets the passphrase of an existing key.

    Args:
        file: the file from --passphrase-file, or None.
        what: the key, for the prompt.
        root: whether it is that of a site's root.
    """

    @functools.cache
    def get() -> bytes:
        """Return the passphrase. A pipe can be read only once."""
        prompt = f"Passphrase of {what}: "
        return passphrases.given(file, root=root) or passphrases.asked(prompt, root=root)

    return get


def new_passphrase(file: Path | None, what: str, *, none: bool, root: bool = False) -> bytes | None:
    """Get the passphrase for a new key.

    Args:
        file: the file from --passphrase-file, or None.
        what: the key, for the prompt.
        none: whether the key stays unencrypted.
        root: whether it is that of a site's root.

    Returns: the passphrase; None for an unencrypted key.

    Raises:
        NoPassphrase: none was given, and there is no terminal to ask on.
        WrongPassphrase: the two that were typed differ.
    """
    if none:
        return None
    given = passphrases.given(file, root=root)
    if given:
        return given
    first = passphrases.asked(f"New passphrase of {what}: ", root=root)
    if passphrases.asked("The same again: ", root=root) != first:
        raise WrongPassphrase("the two passphrases differ")
    return first


def new_key(
    algorithm: str, uri: str, file: Path | None, what: str, *, none: bool, root: bool = False
) -> NewKey:
    """Collect what a new key needs.

    Args:
        algorithm: one of choices.ALGORITHMS.
        uri: URI of a key on a token, or "".
        file: the file from --passphrase-file, or None.
        what: the key, for the prompt.
        none: whether the key stays unencrypted, or the token needs no PIN.
        root: whether it is that of a site's root.

    Raises:
        BadKeyURI: the URI can't be read.
        NoPassphrase, WrongPassphrase: as `new_passphrase`.
    """
    from triseal import keyuri  # keys are slow to load, and --help needs none
    from triseal.keysource import NewKey

    if not uri:
        return NewKey(algorithm, new_passphrase(file, what, none=none, root=root))
    where = keyuri.parse(uri)
    known = none or (isinstance(where, keyuri.TokenKey) and bool(where.pin_file))
    return NewKey(algorithm, None if known else passphrase(file, f"{what} (PIN)", root=root)(), uri)


_LEVELS = ("debug", "info", "warning", "error")


def _level(value: str) -> str:
    if value not in _LEVELS:
        raise typer.BadParameter(f"give one of {', '.join(_LEVELS)}")
    return value


LogLevel = Annotated[
    str,
    typer.Option("--log-level", help=", ".join(_LEVELS), metavar="LEVEL", callback=_level),
]
