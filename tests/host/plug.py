"""A plug between a board and this computer, to be pulled at any octet."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class Socket:
    """A port of this computer, as a link that is there while something is plugged in.

    The terminal behind it has a number, and the next terminal of anybody may get the same one.

    Attributes:
        port: the path of the link.
        master: descriptor of the terminal's other end.
        stop: descriptor that is readable once `close` was called.
    """

    def __init__(self, port: Path) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        port.symlink_to(os.ttyname(self._slave))
        self.port = str(port)
        self.stop, self._stopped = os.pipe()

    def serve(self, run: Callable[[], None]) -> None:
        """Call `run` in a thread; when it returns the port vanishes."""
        self._thread = threading.Thread(target=self._serve, args=(run,))
        self._thread.start()

    def _serve(self, run: Callable[[], None]) -> None:
        try:
            run()
        finally:
            Path(self.port).unlink()
            os.close(self._slave)
            os.close(self.master)

    def close(self) -> None:
        """Have `run` return, and wait for it."""
        os.write(self._stopped, b"!")
        self._thread.join()
        for fd in (self.stop, self._stopped):
            os.close(fd)


class Plug:
    """A port behind which another one is seen, until so many octets have passed.

    A context manager. Pulled, the port vanishes as that of a USB board does; the board stays on.

    Attributes:
        port: the path of its port.
        passed: octets that the computer has sent so far.
    """

    def __init__(self, port: Path, board: str, pull_after: int = -1) -> None:
        """Describe it.

        Args:
            port: where the port shall be.
            board: the path of the board's own port.
            pull_after: octets from the computer after which it is pulled; -1 for never.
        """
        self.port = str(port)
        self.passed = 0
        self._board = board
        self._left = pull_after

    def __enter__(self) -> Self:
        self._socket = Socket(Path(self.port))
        self._socket.serve(self._run)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def _run(self) -> None:
        relay(self._socket.master, self._board, self._socket.stop, self._left, self._count)

    def _count(self, size: int) -> None:
        self.passed += size


def relay(
    master: int, board: str, stop: int, limit: int = -1, passed: Callable[[int], object] = id
) -> None:
    """Move octets between a terminal and a board, until `stop` is readable or `limit` is reached.

    Args:
        master: descriptor of the terminal.
        board: the path of the board's port.
        stop: descriptor.
        limit: octets that may pass from the terminal to the board; -1 for any.
        passed: told of each piece of these.
    """
    wire = os.open(board, os.O_RDWR | os.O_NOCTTY)
    try:
        while limit:
            ready = select.select([master, wire, stop], [], [])[0]
            if stop in ready:
                return
            if wire in ready:
                _give(master, os.read(wire, 1024), stop)
            if master in ready:
                data = os.read(master, min(1024, limit) if limit > 0 else 1024)
                _give(wire, data, stop)
                limit -= len(data) if limit > 0 else 0
                passed(len(data))
    finally:
        os.close(wire)


def _give(fd: int, data: bytes, stop: int) -> None:
    # Where nobody reads, it waits, but not for ever.
    os.set_blocking(fd, False)
    while data and stop not in select.select([stop], [fd], [])[0]:
        with contextlib.suppress(BlockingIOError):
            data = data[os.write(fd, data) :]
