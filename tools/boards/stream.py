"""A board's port for an event loop: reads and writes without waiting."""

import os

from boards.errors import BoardGone, NotASerialPort
from boards.port import Port

_MOST_AT_ONCE = 4096


class Stream(Port):
    """The line to the program that runs on a board, byte by byte."""

    def __init__(self, port: str) -> None:
        """Open a port.

        Args:
            port: as for `Port`; the operating system must be able to wait for it.

        Raises:
            NoPort, PortDenied, PortBusy, NotASerialPort, NotRunning: the port cannot be opened.
        """
        super().__init__(port)
        try:
            self._descriptor = int(self._serial.fileno())
        except (OSError, AttributeError):
            self.close()
            raise NotASerialPort(f"the system cannot wait for {self.port}") from None
        os.set_blocking(self._descriptor, False)

    def fileno(self) -> int:
        """Return its descriptor, for `select` and similar functions."""
        return self._descriptor

    def receive(self) -> bytes:
        """Return the input that has arrived, at most some KiB; empty if there is none.

        Raises:
            BoardGone: the port vanished.
        """
        try:
            data = os.read(self._descriptor, _MOST_AT_ONCE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise BoardGone("the port vanished") from error
        if not data:
            raise BoardGone("the port vanished")
        return data

    def transmit(self, data: bytes) -> int:
        """Send as much of `data` as is possible without waiting, and return how many bytes that
        was.

        Raises:
            BoardGone: the port vanished.
        """
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise BoardGone("the port vanished") from error
