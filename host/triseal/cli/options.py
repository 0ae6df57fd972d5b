"""Options that mean the same in every command, and the passphrase that several need."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from triseal import files
from triseal.errors import NoPassphrase, WrongPassphrase
from triseal.signer import ALGORITHMS

ENVIRONMENT = "TRISEAL_PASSPHRASE"
MAX_PASSPHRASE = 1024


def _algorithm(value: str) -> str:
    if value not in ALGORITHMS:
        raise typer.BadParameter(f"one of {', '.join(ALGORITHMS)}")
    return value


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of this role's state.", metavar="DIR", readable=False),
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
NoPassphraseFlag = Annotated[
    bool, typer.Option("--no-passphrase", help="Keep the key unencrypted (mode 0600 all the same).")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help=f"Take the passphrase from this file's first line; else from {ENVIRONMENT}, else ask.",
        metavar="FILE",
        readable=False,
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="File to write.", metavar="FILE", readable=False)
]


def examples(*lines: str) -> str:
    """The end of a command's help; the backspace keeps its lines from being filled."""
    return "\b\nExamples:\n" + "\n".join(f"  triseal {line}" for line in lines)


def passphrase(file: Path | None, what: str) -> Callable[[], bytes]:
    """How to get the passphrase of a key that is there.

    Args:
        file: from the option.
        what: whose key, for the prompt.
    """
    return lambda: _given(file) or _asked(f"Passphrase of {what}: ")


def new_passphrase(file: Path | None, what: str, *, none: bool) -> bytes | None:
    """The passphrase for a key that is to be made; None for none.

    Raises:
        NoPassphrase: none given, and nobody to ask.
        WrongPassphrase: the two that were typed differ.
    """
    if none:
        return None
    given = _given(file)
    if given:
        return given
    first = _asked(f"New passphrase of {what}: ")
    if _asked("The same again: ") != first:
        raise WrongPassphrase("the two differ")
    return first


def _given(file: Path | None) -> bytes:
    if file is None:
        return os.fsencode(os.environ.get(ENVIRONMENT, ""))  # its very octets, whatever they are
    lines = files.read(file, MAX_PASSPHRASE).splitlines()
    if not lines or not lines[0]:
        raise NoPassphrase(f"{file} has no first line")
    return lines[0]


def _asked(prompt: str) -> bytes:
    if not sys.stdin.isatty():
        raise NoPassphrase("there is no terminal to ask on")
    try:
        typed = os.fsencode(getpass.getpass(prompt))
    except EOFError:
        typed = b""
    if not typed:
        raise NoPassphrase("none was typed")
    return typed
