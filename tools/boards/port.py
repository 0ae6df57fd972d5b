"""A board's port, opened with the transport of mpremote; the only module that imports it."""

import contextlib
import errno
import time
from types import TracebackType
from typing import Self

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from boards.errors import (
    BoardError,
    BoardGone,
    NoAnswer,
    NoPort,
    NotASerialPort,
    PortBusy,
    PortDenied,
)
from boards.line import Line
from boards.virtual.names import resolve

_COMEBACK = 15.0  # seconds in which a USB board that was reset has its port again
_STEP = 0.05


class Port:
    """The line to a board, as its running program has it at the other end.

    A context manager. Opening it disturbs nothing, except on boards whose wiring resets them.

    Attributes:
        port: the path or URL that is open.
        patience: seconds that the board may take until it answers.
    """

    def __init__(self, port: str, *, patience: float = 8.0) -> None:
        """Open a port.

        Args:
            port: a path, `virtual:NAME`, or a URL that pyserial knows (`socket://HOST:PORT`).
            patience: seconds that the board may take until it answers.

        Raises:
            NoPort, PortDenied, PortBusy, NotASerialPort, NotRunning: by what is wrong with it.
        """
        self._name = port
        self.patience = patience
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the port up."""
        # Said, since a lock outlives its descriptor: what another thread starts in this moment has
        # inherited it, and would keep the port busy until it has begun.
        with contextlib.suppress(OSError):
            self._serial.exclusive = False
        self._transport.serial = self._serial
        with contextlib.suppress(OSError):
            self._transport.close()

    def send(self, data: bytes) -> None:
        """Send octets to the program that runs.

        Raises:
            BoardGone: the port vanished.
        """
        self._line.write(data)

    def read_line(self, timeout: float = 10.0) -> bytes:
        """The next line that the program prints, without its end.

        Raises:
            BoardTimeout, BoardGone: it did not come.
        """
        self._line.allow(timeout)
        return self._line.read_until(b"\n").rstrip(b"\r\n")

    def wait_for(self, text: str, timeout: float = 10.0) -> str:
        """Read what the program prints until `text` comes.

        Returns:
            What came before it, and itself.

        Raises:
            BoardTimeout, BoardGone: it did not come.
        """
        self._line.allow(timeout)
        return self._line.read_until(text.encode()).decode(errors="replace").replace("\r\n", "\n")

    def _run(self, code: str, patience: float, timeout: float) -> tuple[bytes, bytes]:
        # In the raw REPL: what the code printed, and the traceback if it failed.
        printed = bytearray()
        self._hand_over(code, patience)
        self._line.allow(timeout)
        _, failure = self._transport.follow(None, printed.extend)
        return bytes(printed).rstrip(b"\x04"), bytes(failure)

    def _hand_over(self, code: str, patience: float) -> None:
        # To take code is quick on every board; only running it may be slow.
        self._line.allow(patience)
        try:
            self._transport.exec_raw_no_follow(code)
        except TransportError as error:
            raise NoAnswer(f"the REPL answered out of turn: {error}") from error

    def _open(self) -> None:
        self.port = resolve(self._name)
        try:
            self._transport = SerialTransport(self.port)
        except (TransportError, OSError, ValueError):
            raise _why_not(self.port) from None
        self._serial = self._transport.serial
        self._line = Line(self._serial)
        self._transport.serial = self._line
        # Reading is then left to the line, which waits, and knows when not to wait any longer.
        self._transport.is_pty = True

    def _reopen(self) -> None:
        self.close()
        end = time.monotonic() + _COMEBACK
        while True:
            try:
                return self._open()
            except BoardError as error:
                if time.monotonic() >= end:
                    raise BoardGone(f"{self.port} did not come back: {error}") from error
            time.sleep(_STEP)


def _why_not(port: str) -> BoardError:
    # mpremote tells only that a port can't be opened; the library below it tells why.
    try:
        serial.serial_for_url(port, exclusive=True).close()
    except (OSError, ValueError) as error:
        kind, what = _REASONS.get(getattr(error, "errno", None) or 0, _NOT_SERIAL)
        if "exclusively lock" in str(error):
            kind, what = PortBusy, "is in use"
        return kind(f"{port or 'an empty name'} {what}")
    return BoardGone(f"{port} could not be opened, but can be now")


_NOT_SERIAL = (NotASerialPort, "is no serial port, or nothing listens there")
_REASONS: dict[int, tuple[type[BoardError], str]] = {
    errno.ENOENT: (NoPort, "does not exist"),
    errno.ENXIO: (NoPort, "is not plugged in"),
    errno.ENODEV: (NoPort, "is not plugged in"),
    errno.EACCES: (PortDenied, "may not be opened by this user"),
    errno.EPERM: (PortDenied, "may not be opened by this user"),
    errno.EBUSY: (PortBusy, "is in use"),
}
