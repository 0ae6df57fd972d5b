"""A serial line on which nothing waits forever."""

import contextlib
import os
import select
import termios
import time
from collections.abc import Iterator
from io import UnsupportedOperation
from typing import Any

from serial import SerialTimeoutException

from boards.errors import BoardGone, BoardTimeout, NotReading

_MAX_WAITING = 1 << 20  # bytes kept for a reader: longer than any answer of a board
_TICK = 0.05  # seconds that one read of the port may block


class Line:
    """Takes the place of the pyserial port in mpremote's transport.

    Attributes:
        deadline: `time.monotonic()` at which reading gives up.
    """

    def __init__(self, serial: Any, patience: float) -> None:
        """Take over an open port.

        Args:
            serial: the port, of pyserial.
            patience: seconds that the board may take to read one piece of what is sent.
        """
        self._serial = serial
        self._serial.timeout = _TICK
        self._serial.write_timeout = patience
        self._buffer = bytearray()
        self.deadline = 0.0

    def allow(self, seconds: float) -> None:
        """Set the deadline to `seconds` from now."""
        self.deadline = time.monotonic() + seconds

    def read(self, size: int = 1) -> bytes:
        """Return exactly `size` bytes.

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
        """Return everything up to and including `ending`.

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
        """Return how many bytes can be read without waiting."""
        with _gone():
            return len(self._buffer) + int(self._serial.in_waiting)

    def write(self, data: bytes) -> int:
        """Send `data` and return its length.

        Raises:
            NotReading: the board does not read it.
            BoardGone: the port vanished.
        """
        with _gone():
            try:
                self._write(data)
            except SerialTimeoutException:
                # Otherwise closing the port would wait for the board, too.
                self._serial.reset_output_buffer()
                raise NotReading("the board does not take what is sent to it") from None
        return len(data)

    def _write(self, data: bytes) -> None:
        """Send `data`, or raise SerialTimeoutException.

        pyserial looks at the clock after it has written: if this process was kept from running
        meanwhile, it says so of a board that has taken everything. And it would give all pieces
        together the time that a board has for one.
        """
        try:
            descriptor = self._serial.fileno()
        except UnsupportedOperation:  # a protocol of its own over the network
            self._serial.write(data)
            return
        left = memoryview(data)
        while left:
            if not select.select([], [descriptor], [], self._serial.write_timeout)[1]:
                raise SerialTimeoutException
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(descriptor, left) :]

    def drain(self) -> None:
        """Discard all input that has arrived so far."""
        with _gone():
            self._serial.reset_input_buffer()
        self._buffer.clear()

    def _await(self) -> None:
        while True:
            with _gone():
                data = self._serial.read(min(_MAX_WAITING, max(1, self._serial.in_waiting)))
            # Also while input comes: a board that never stops talking must not block the reader.
            if time.monotonic() >= self.deadline:
                raise BoardTimeout("the board did not answer in time")
            if len(self._buffer) + len(data) > _MAX_WAITING:
                raise BoardTimeout("the board sends output without a pause")
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
