"""Where a passphrase comes from: a file, the environment, a credential of systemd, or a person."""

from __future__ import annotations

import codecs
import getpass
import os
import sys
from pathlib import Path

from triseal import files
from triseal.errors import NoPassphrase, NoRootPassphrase

ENVIRONMENT = "TRISEAL_PASSPHRASE"
CREDENTIAL = "triseal-passphrase"
ROOT_ENVIRONMENT = "TRISEAL_ROOT_PASSPHRASE"
ROOT_CREDENTIAL = "triseal-root-passphrase"
MAX_SIZE = 1024

_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def given(file: Path | None = None, *, root: bool = False) -> bytes:
    """Return the passphrase that a file, the environment or a credential of systemd gives, or b"".

    Args:
        file: a file, or a pipe such as `<(...)` or /dev/stdin; None for the other sources.
        root: whether it is that of a site's root, which has sources of its own.

    Raises:
        NoPassphrase: the file holds none.
        FileTooLarge, NotAFile, OSError: it can't be read.
    """
    if file is not None:
        return _first_line(file)
    variable = ROOT_ENVIRONMENT if root else ENVIRONMENT
    found = os.fsencode(os.environ.get(variable, ""))  # the exact bytes, of any encoding
    folder = os.environ.get(_CREDENTIALS, "")
    if found or not folder:
        return found
    credential = Path(folder) / (ROOT_CREDENTIAL if root else CREDENTIAL)
    return _first_line(credential) if credential.exists() else b""


def _first_line(file: Path) -> bytes:
    """Return the first line of a file without its end and without a byte order mark."""
    data = files.receive(file, MAX_SIZE)
    if data.startswith(_UTF16) and b"\0" in data:
        raise NoPassphrase(f"{file} is a text in UTF-16; save it as UTF-8")
    lines = data.removeprefix(codecs.BOM_UTF8).splitlines()
    if not lines or not lines[0]:
        raise NoPassphrase(f"{file} has no first line")
    return lines[0]


def asked(prompt: str, *, root: bool = False) -> bytes:
    """Ask a person at the terminal.

    Args:
        prompt: the question.
        root: whether it is about a site's root, which has options of its own.

    Raises:
        NoPassphrase, NoRootPassphrase: there is no terminal, or nothing was typed.
    """
    missing = NoRootPassphrase if root else NoPassphrase
    if not sys.stdin.isatty():
        raise missing("there is no terminal to ask on")
    try:
        typed = os.fsencode(getpass.getpass(prompt))
    except EOFError:
        typed = b""
    if not typed:
        raise missing("no passphrase was typed")
    return typed
