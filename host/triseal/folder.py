"""The folder of a role: built elsewhere and renamed, so that it is complete or does not exist."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from boards import state_folder
from triseal.errors import AlreadyExists, Failure

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


@contextlib.contextmanager
def fresh(home: Path) -> Iterator[Path]:
    """Make a temporary folder (mode 0700) for the contents of `home`. It is removed unless it is
    `settle`d.

    Args:
        home: the final folder; it must not exist, or be empty.

    Raises:
        AlreadyExists: `home` is not empty.
    """
    check_vacant(home)
    path = home.absolute()
    name = f".{secrets.token_hex(8)}.tmp"
    if path.is_dir():
        # It may be a mount, a link, or in a folder of another user: only its contents are made.
        with _alone(path):
            yield from _made(path / name, home)
    else:
        yield from _made(path.with_name(name), home)


def _made(folder: Path, home: Path) -> Iterator[Path]:
    try:
        state_folder.make(folder)
    except OSError as error:
        error.filename = str(folder.parent)  # the user does not know the temporary name
        raise
    try:
        yield folder
    except (OSError, Failure) as error:
        _name(error, folder, home)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _name(error: OSError | Failure, made: Path, home: Path) -> None:
    """Let an error name the final folder: the user does not know the temporary name."""
    known, told = str(made), str(home)
    if isinstance(error, Failure):
        error.detail = error.detail.replace(known, told)
        error.args = (error.detail,)
    elif error.filename is not None:
        error.filename = str(error.filename).replace(known, told)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep other processes away from an empty folder, and remove what a killed one has left."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyExists(f"another process is using {home}") from None
        except OSError:
            """Where folders can't be locked, two processes may race."""
        check_vacant(home)
        for left in home.iterdir():
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def settle(made: Path, home: Path) -> None:
    """Give the contents of the temporary folder their final place.

    Args:
        made: the folder from `fresh`.
        home: the final folder.

    Raises:
        AlreadyExists: another process was faster; its folder is not replaced.
    """
    if made.parent == home.absolute():
        for one in sorted(made.iterdir()):
            one.rename(home / one.name)
        with contextlib.suppress(PermissionError):  # another user's
            home.chmod(stat.S_IMODE(made.stat().st_mode))
        return
    try:
        made.rename(home)  # this replaces an empty folder, and nothing else
    except OSError:
        check_vacant(home)
        raise


def check_vacant(home: Path) -> None:
    """Check that a folder does not exist or is empty, except for what a killed process has left.

    Args:
        home: the folder.

    Raises:
        AlreadyExists: it is not empty, or not a folder.
    """
    if home.is_symlink() and not home.exists():
        raise AlreadyExists(f"{home} is a link to something that does not exist")
    if home.exists() and not home.is_dir():
        raise AlreadyExists(f"{home} exists and is not a folder")
    if home.exists() and not all(_TEMPORARY.fullmatch(one.name) for one in home.iterdir()):
        raise AlreadyExists(f"{home} exists and is not empty")
