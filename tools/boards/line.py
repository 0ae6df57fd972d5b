"""A serial line on which nothing waits for ever."""

import contextlib
import termios
import time
from collections.abc import Iterator
from typing import Any

from boards.errors import BoardGone, BoardTimeout

_MAX_WAITING = 1 << 20  # octets kept for a reader: no answer of a board is as long
_TICK = 0.05  # seconds that one read of the port may block


class Line:
    """Stands where mpremote's transport expects a pyserial port.

    Attributes:
        deadline: `time.monotonic()` at which reading gives up.
    """

    def __init__(self, serial: Any) -> None:
        """Take over an open pyserial port."""
        self._serial = serial
        self._serial.timeout = _TICK
        self._buffer = bytearray()
        self.deadline = 0.0

    def allow(self, seconds: float) -> None:
        """Give what follows so much time."""
        self.deadline = time.monotonic() + seconds

    def read(self, size: int = 1) -> bytes:
        """Exactly `size` octets.

        Raises:
            BoardTimeout: they did not come before the deadline.
            BoardGone: the port vanished.
        """
        while len(self._buffer) < size:
            self._await()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def read_until(self, ending: bytes) -> bytes:
        """Everything up to and with `ending`.

        Raises:
            BoardTimeout: it did not come before the deadline.
            BoardGone: the port vanished.
        """
        while ending not in self._buffer:
            self._await()
        return self.read(self._buffer.index(ending) + len(ending))

    def await_input(self) -> None:
        """Return as soon as something can be read.

        Raises:
            BoardTimeout: nothing came before the deadline.
            BoardGone: the port vanished.
        """
        if not self._buffer:
            self._await()

    def inWaiting(self) -> int:  # noqa: N802 - mpremote's transport calls it so
        """How many octets can be read without waiting."""
        with _gone():
            return len(self._buffer) + int(self._serial.in_waiting)

    def write(self, data: bytes) -> int:
        """Send octets.

        Raises:
            BoardGone: the port vanished.
        """
        with _gone():
            return int(self._serial.write(data))

    def drain(self) -> None:
        """Forget what has arrived so far."""
        with _gone():
            self._serial.reset_input_buffer()
        self._buffer.clear()

    def _await(self) -> None:
        while True:
            with _gone():
                data = self._serial.read(min(_MAX_WAITING, max(1, self._serial.in_waiting)))
            # Also where octets come: a board that never stops talking must not hold anybody up.
            if time.monotonic() >= self.deadline:
                raise BoardTimeout("the board did not answer in time")
            if len(self._buffer) + len(data) > _MAX_WAITING:
                raise BoardTimeout("the board sends without end")
            if data:
                self._buffer += data
                return


@contextlib.contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except (OSError, termios.error, TypeError) as error:
        # TypeError: pyserial's own descriptor is None after a failed write.
        raise BoardGone("the port vanished") from error
