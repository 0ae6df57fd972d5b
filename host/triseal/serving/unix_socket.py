"""Unix sockets that only their owner can use."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

BACKLOG = 16
_LONGEST_PATH = 100  # bytes; macOS allows 103


def beside(port: int) -> str:
    """Return the name of the Unix socket in the site's home that belongs to a port of pages.

    Args:
        port: the port.
    """
    return f"pages-{port}.sock"


@contextlib.contextmanager
def listen(path: Path) -> Iterator[socket.socket]:
    """Make a listening Unix socket that only the owner can use. It is removed at the end.

    Args:
        path: where it is made. A socket that another process has left there is replaced.

    Raises:
        OSError: it can't be made, or something else is there.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with reachable(path) as address:
            _remove_left(path, address)
            before = os.umask(0o177)  # the socket has its mode from the beginning
            try:
                listener.bind(address)
            finally:
                os.umask(before)
        try:
            listener.listen(BACKLOG)
            listener.setblocking(False)
            yield listener
        finally:
            path.unlink(missing_ok=True)
    finally:
        listener.close()


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Return a form of a socket's path that is short enough for the system.

    Args:
        path: the path.

    Raises:
        OSError: there is no such form, or the folder does not exist.
    """
    if len(os.fsencode(path)) <= _LONGEST_PATH or not Path("/proc/self/fd").is_dir():
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _remove_left(path: Path, address: str) -> None:
    """Remove a socket whose process has ended without removing it."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        return  # `bind` then says that the address is in use
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            path.unlink()
        except OSError:
            return
