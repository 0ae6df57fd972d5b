"""A plug between a board and this computer, to be pulled at any byte."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Self


class Socket:
    """A port of this computer, as a link that is there while something is plugged in.

    A context manager; a subclass says in `run` what happens at the port, in a thread of its own.
    When that returns, the port vanishes. The terminal behind it has a number, and the next terminal
    of anybody may get the same one.

    Attributes:
        port: the path of the link.
        master: descriptor of the terminal's other end.
        stop: descriptor that is readable once the block has ended: `run` is to return.
    """

    def __init__(self, port: Path) -> None:
        self.port = str(port)

    def run(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        Path(self.port).symlink_to(os.ttyname(self._slave))
        self.stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stopped, b"!")
        self._thread.join()
        for fd in (self.stop, self._stopped):
            os.close(fd)

    def _run(self) -> None:
        try:
            self.run()
        finally:
            Path(self.port).unlink()
            os.close(self._slave)
            os.close(self.master)


class Plug(Socket):
    """A port behind which another one is seen, until so many bytes have passed.

    Pulled, it vanishes as that of a USB board does; the board stays on.

    Attributes:
        passed: bytes that the computer has sent so far.
    """

    def __init__(self, port: Path, board: str, pull_after: int = -1) -> None:
        """Describe it.

        Args:
            port: where the port shall be.
            board: the path of the board's own port.
            pull_after: bytes from the computer after which it is pulled; -1 for never.
        """
        super().__init__(port)
        self.passed = 0
        self._board = board
        self._left = pull_after

    def run(self) -> None:
        relay(self.master, self._board, self.stop, self._left, self._count)

    def _count(self, size: int) -> None:
        self.passed += size


def relay(
    master: int, board: str, stop: int, limit: int = -1, passed: Callable[[int], object] = id
) -> None:
    """Move bytes between a terminal and a board, until `stop` is readable or `limit` is reached.

    Args:
        master: descriptor of the terminal.
        board: the path of the board's port.
        stop: descriptor.
        limit: bytes that may pass from the terminal to the board; -1 for any.
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
    # Where nobody reads, it waits, but not forever.
    os.set_blocking(fd, False)
    while data and stop not in select.select([stop], [fd], [])[0]:
        with contextlib.suppress(BlockingIOError):
            data = data[os.write(fd, data) :]
