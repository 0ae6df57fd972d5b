"""A role's folder: made aside and renamed, so that a kill leaves all of it or nothing."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from triseal.errors import AlreadyExists


@contextlib.contextmanager
def fresh(home: Path) -> Iterator[Path]:
    """A new folder (mode 0700) beside `home`; what the block does not `settle` is removed.

    Args:
        home: the folder that is to be; must not exist, or be empty.

    Raises:
        AlreadyExists: there is something in it.
    """
    check_vacant(home)
    path = home.absolute()
    made = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    made.mkdir(parents=True, mode=0o700)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def settle(made: Path, home: Path) -> None:
    """Let what `fresh` made take its place.

    Raises:
        AlreadyExists: another process was faster; nothing of it is replaced.
    """
    try:
        made.rename(home)  # takes the place of an empty folder, of nothing else
    except OSError:
        check_vacant(home)
        raise


def check_vacant(home: Path) -> None:
    """Raise AlreadyExists if a folder has something in it, or is none."""
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise AlreadyExists(f"{home} is there and not empty")
