"""The folder of a role: built elsewhere and renamed, so that it is complete or does not exist."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from triseal.errors import AlreadyExists


@contextlib.contextmanager
def fresh(home: Path) -> Iterator[Path]:
    """Make a temporary folder (mode 0700) next to `home`. It is removed unless it is `settle`d.

    Args:
        home: the final folder; it must not exist, or be empty.

    Raises:
        AlreadyExists: `home` is not empty.
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
    """Rename the temporary folder to its final name.

    Args:
        made: the folder from `fresh`.
        home: the final folder.

    Raises:
        AlreadyExists: another process was faster; its folder is not replaced.
    """
    try:
        made.rename(home)  # this replaces an empty folder, and nothing else
    except OSError:
        check_vacant(home)
        raise


def check_vacant(home: Path) -> None:
    """Check that a folder does not exist or is empty.

    Args:
        home: the folder.

    Raises:
        AlreadyExists: it is not empty, or not a folder.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise AlreadyExists(f"{home} exists and is not empty")
