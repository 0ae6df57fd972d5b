"""A board's port, opened with the transport of mpremote; only this module imports mpremote."""

import contextlib
import errno
import time
from types import TracebackType
from typing import Self

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from boards import addresses
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

_COMEBACK = 15.0  # seconds until a USB board that was reset has its port again
_STEP = 0.05


class Port:
    """The line to the program that runs on a board.

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
            NoPort, PortDenied, PortBusy, NotASerialPort, NotRunning: the port cannot be opened.
            BadAddress: the text after `socket://` is not HOST:PORT.
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
        """Close the port."""
        # Unlocked explicitly, because a lock outlives its descriptor: a process that another thread
        # starts now has inherited it, and would keep the port busy until its program begins.
        with contextlib.suppress(OSError):
            self._serial.exclusive = False
        self._transport.serial = self._serial
        with contextlib.suppress(OSError):
            self._transport.close()

    def send(self, data: bytes) -> None:
        """Send `data` to the running program.

        Raises:
            NotReading: the board does not read it.
            BoardGone: the port vanished.
        """
        self._line.write(data)

    def read_line(self, timeout: float = 10.0) -> bytes:
        """Return the next line that the program prints, without its end.

        Args:
            timeout: seconds to wait for it.

        Raises:
            BoardTimeout, BoardGone: it did not come.
        """
        self._line.allow(timeout)
        return self._line.read_until(b"\n").rstrip(b"\r\n")

    def wait_for(self, text: str, timeout: float = 10.0) -> str:
        """Read what the program prints until a text comes.

        Args:
            text: the text.
            timeout: seconds to wait for it.

        Returns:
            Everything up to and including the text.

        Raises:
            BoardTimeout, BoardGone: it did not come.
        """
        self._line.allow(timeout)
        return self._line.read_until(text.encode()).decode(errors="replace").replace("\r\n", "\n")

    def _run(self, code: str, patience: float, timeout: float) -> tuple[bytes, bytes]:
        # In the raw REPL. Returns the output of the code, and the traceback if it failed.
        self._hand_over(code, patience)
        self._line.allow(timeout)
        # As the transport's `follow`, which takes each byte by itself.
        printed, failure = (self._line.read_until(b"\x04")[:-1] for _ in range(2))
        return printed, failure

    def _hand_over(self, code: str, patience: float) -> None:
        # Every board takes code quickly; only running it may be slow.
        self._line.allow(patience)
        try:
            self._transport.exec_raw_no_follow(code)
        except TransportError as error:
            raise NoAnswer(f"the REPL sent an unexpected answer: {error}") from error

    def _open(self) -> None:
        self.port = resolve(self._name)
        addresses.check_url(self.port)
        try:
            self._transport = SerialTransport(self.port)
        except (TransportError, OSError, ValueError):
            raise _why_not(self.port) from None
        self._serial = self._transport.serial
        self._line = Line(self._serial, self.patience)
        self._transport.serial = self._line
        # Then the line reads: it waits, and gives up at its deadline.
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
    # mpremote says only that a port can't be opened; the library below it says why.
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
