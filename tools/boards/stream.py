"""A board's port for an event loop: reads and writes what goes without waiting."""

import os

from boards.errors import BoardGone, NotASerialPort
from boards.port import Port

_MOST_AT_ONCE = 4096


class Stream(Port):
    """The line to the program that runs on a board, octet by octet."""

    def __init__(self, port: str) -> None:
        """Open a port.

        Args:
            port: as for `Port`; it has to be something that the system can wait for.

        Raises:
            NoPort, PortDenied, PortBusy, NotASerialPort, NotRunning: by what is wrong with it.
        """
        super().__init__(port)
        try:
            self._descriptor = int(self._serial.fileno())
        except (OSError, AttributeError):
            self.close()
            raise NotASerialPort(f"{self.port} is none that can be waited for") from None
        os.set_blocking(self._descriptor, False)

    def fileno(self) -> int:
        """Its descriptor, for `select` and what is like it."""
        return self._descriptor

    def receive(self) -> bytes:
        """What has come, up to some KiB; nothing if nothing has. Raises: BoardGone."""
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
        """Send as much as goes; how much that was. Raises: BoardGone."""
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise BoardGone("the port vanished") from error
