"""The way out of a virtual board's port: waits for a slow reader, drops what nobody reads."""

import time

from boards.virtual.terminal import Terminal

_STALL = 2.0  # seconds without progress after which output is dropped, as USB consoles do


class Outlet:
    """What waits to be read from a port.

    A program that prints must not stop because nobody is connected; a reader that is only slow must
    not lose a byte. After a stall everything is dropped until somebody reads again.

    Attributes:
        waiting: whether something waits; no more should be read from the interpreter then.
        due: when `give_up` must be called (`time.monotonic()`), or None.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._data = bytearray()
        self._deaf = False
        self.due: float | None = None

    @property
    def waiting(self) -> bool:
        """Whether something waits for a reader."""
        return bool(self._data)

    def send(self, data: bytes) -> None:
        """Add `data` behind what waits."""
        self._data += data
        self.flush()

    def flush(self) -> None:
        """Send as much as goes."""
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
        """Drop what nobody has read for so long."""
        self._data.clear()
        self.due = None
        self._deaf = True
