"""The way out of a virtual board's port: waits for a slow reader, drops output that
nobody reads."""

import time

from boards.virtual.terminal import Terminal

_STALL = 2.0  # seconds without progress after which output is dropped, as USB consoles do


class Outlet:
    """Output that waits to be read from a port.

    A program that prints must not stop because nobody is connected, and a slow reader must not lose
    a byte. After a stall all output is dropped until somebody reads again.

    Attributes:
        waiting: whether output waits; then no more should be read from the interpreter.
        due: when `give_up` must be called (`time.monotonic()`), or None.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._data = bytearray()
        self._deaf = False
        self.due: float | None = None

    @property
    def waiting(self) -> bool:
        """Whether output waits for a reader."""
        return bool(self._data)

    def send(self, data: bytes) -> None:
        """Add `data` after the output that waits."""
        self._data += data
        self.flush()

    def flush(self) -> None:
        """Send as much as possible."""
        sent = self._terminal.write(bytes(self._data)) if self._data else 0
        del self._data[:sent]
        self._deaf = self._deaf and not sent
        if self._deaf:
            self._data.clear()
        if not self._data:
            self.due = None
        elif sent or self.due is None:
            self.due = time.monotonic() + _STALL

    def give_up(self) -> None:
        """Drop the output that nobody has read for too long."""
        self._data.clear()
        self.due = None
        self._deaf = True
