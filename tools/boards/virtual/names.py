"""Virtual boards by name, so that one process can run them and others reach them."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from boards import lock, state_folder
from boards.errors import BadName, NoSymbolicLinks, NotRunning

PREFIX = "virtual:"
# What file systems such as FAT say.
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def directory(name: str) -> Path:
    """Return the folder in which the virtual board `name` keeps its state.

    Raises:
        BadName: it is not a name.
    """
    if not _NAME.fullmatch(name):
        raise BadName(f"{name!r} is no name for a virtual board")
    return state_folder.root() / "virtual" / name


def resolve(port: str) -> str:
    """Return the port to open for a port or name that a person has given.

    Args:
        port: `virtual:NAME`, or anything else, which is returned unchanged.

    Raises:
        BadName: the text after `virtual:` is not a name.
        NotRunning: no process runs that board.
    """
    if not port.startswith(PREFIX):
        return port
    folder = directory(port.removeprefix(PREFIX))
    link = folder / "port"
    # Another program may soon get the same number of a pseudo-terminal, so the lock decides.
    if not link.is_symlink() or not lock.is_held(folder / "lock"):
        raise NotRunning(f"{port} is not running")
    return str(link.readlink())


@contextlib.contextmanager
def published(folder: Path, port: str) -> Iterator[Path]:
    """Let others find a port while the block runs.

    Args:
        folder: the board's directory.
        port: its present port.

    Returns:
        A path that stays the same from run to run: a link to the port.

    Raises:
        NoSymbolicLinks: the file system of the folder has none.
    """
    link = folder / "port"
    fresh = folder / "port.tmp"
    fresh.unlink(missing_ok=True)
    try:
        fresh.symlink_to(port)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        raise NoSymbolicLinks(f"{folder}: {error.strerror}") from None
    os.replace(fresh, link)  # noqa: PTH105 - a link's own name, not its target
    try:
        yield link
    finally:
        link.unlink(missing_ok=True)
