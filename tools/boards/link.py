"""A board at a port, reached with the transport of mpremote; the only module that imports it."""

import ast
import contextlib
import errno
import time
from types import TracebackType
from typing import Any, Self

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from boards import device_errors, facts
from boards.errors import (
    BoardError,
    BoardGone,
    BoardTimeout,
    NoAnswer,
    NoPort,
    NotASerialPort,
    PortBusy,
    PortDenied,
)
from boards.files import Files
from boards.line import Line
from boards.names import resolve

_RAW_REPL = b"raw REPL; CTRL-B to exit\r\n"
_REBOOT = b"soft reboot\r\n"


class Board(Files):
    """Any board with MicroPython's raw REPL: real, emulated or virtual.

    A context manager. The first call interrupts what the board runs and resets its Python softly,
    without main.py, so that its whole heap is free; `soft_reset` lets main.py run again.

    Attributes:
        port: the path or URL of the port.
    """

    def __init__(self, port: str, *, patience: float = 8.0) -> None:
        """Open a port.

        Args:
            port: a path, `virtual:NAME`, or a URL that pyserial knows (`socket://HOST:PORT`).
            patience: seconds that a board may take until its REPL answers.

        Raises:
            NoPort, PortDenied, PortBusy, NotASerialPort, NotRunning: by what is wrong with it.
        """
        self.port = resolve(port)
        self._patience = patience
        self._in_raw_repl = False
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
        """Give the port up and leave the board at its friendly prompt."""
        with contextlib.suppress(BoardError):
            if self._in_raw_repl:
                self._line.write(b"\r\x02")
        self._in_raw_repl = False
        self._transport.serial = self._serial
        with contextlib.suppress(OSError):
            self._transport.close()

    def exec(self, code: str, timeout: float = 10.0) -> str:
        """Run code on the board.

        Args:
            code: MicroPython source.
            timeout: seconds that it may take.

        Returns:
            What it printed, lines ended by a plain newline.

        Raises:
            DeviceFailed: it raised; the class tells apart what the host can act upon.
            NoAnswer, BoardTimeout, BoardGone: by what became of the board.
        """
        self._enter()
        printed = bytearray()
        try:
            # To take the code is quick on every board; only running it may be slow.
            self._line.allow(self._patience)
            self._transport.exec_raw_no_follow(code)
            self._line.allow(timeout)
            _, failure = self._transport.follow(None, printed.extend)
        except TransportError as error:
            self._in_raw_repl = False
            raise NoAnswer(f"the REPL answered out of turn: {error}") from error
        except BoardError:
            self._in_raw_repl = False
            raise
        if failure:
            raise device_errors.from_traceback(failure.decode(errors="replace"))
        return printed.rstrip(b"\x04").decode(errors="replace").replace("\r\n", "\n")

    def call(self, function: str, *arguments: object, timeout: float = 10.0) -> Any:
        """Call a function of a module on the board.

        Args:
            function: module and function, for example `os.listdir`.
            arguments: values that Python writes as literals: text, bytes, numbers, lists, ...
            timeout: seconds that it may take.

        Returns:
            What it returned, a value of the same kinds.

        Raises:
            DeviceFailed, NoAnswer, BoardTimeout, BoardGone: as `exec`.
        """
        module, _, name = function.rpartition(".")
        values = ", ".join(repr(value) for value in arguments)
        printed = self.exec(f"import {module}\nprint(repr({module}.{name}({values})))", timeout)
        return ast.literal_eval(printed.strip().splitlines()[-1])

    def facts(self) -> facts.Facts:
        """What the board is, and what it has left.

        Raises:
            NoAnswer, BoardTimeout, BoardGone: by what became of the board.
        """
        return facts.parse(self.exec(facts.CODE))

    def soft_reset(self) -> None:
        """Start the board's Python again, boot.py and main.py included.

        Raises:
            NoAnswer, BoardTimeout, BoardGone: by what became of the board.
        """
        self._enter()
        self._in_raw_repl = False
        self._line.allow(self._patience)
        self._line.drain()
        self._line.write(b"\r\x02")
        self._line.read_until(b">>> ")
        self._line.write(b"\x04")
        self._line.read_until(_REBOOT)

    def reset(self) -> None:
        """Press the board's reset button, and find its port again if it goes away meanwhile.

        Raises:
            NoAnswer, BoardTimeout, BoardGone: by what became of the board.
        """
        self._enter()
        self._line.allow(self._patience)
        with contextlib.suppress(BoardGone, BoardTimeout):
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")
        self._in_raw_repl = False

    def wait_for(self, text: str, timeout: float = 10.0) -> str:
        """Read what the running program prints until `text` comes.

        Returns:
            What came before it, and itself.

        Raises:
            BoardTimeout, BoardGone: it did not come.
        """
        self._line.allow(timeout)
        return self._line.read_until(text.encode()).decode(errors="replace").replace("\r\n", "\n")

    def _open(self) -> None:
        try:
            self._transport = SerialTransport(self.port)
        except (TransportError, OSError, ValueError):
            raise _why_not(self.port) from None
        self._serial = self._transport.serial
        self._line = Line(self._serial)
        self._transport.serial = self._line
        # Reading is then left to the line, which waits, and knows when not to wait any longer.
        self._transport.is_pty = True

    def _enter(self) -> None:
        if self._in_raw_repl:
            return
        end = time.monotonic() + self._patience
        for share in (0.1, 0.3, 1.0):
            # A board that is just starting loses what comes too early: so it is asked again.
            with contextlib.suppress(BoardTimeout):
                self._line.deadline = end - (1 - share) * self._patience
                self._interrupt()
                self._line.deadline = end
                self._restart_in_raw_repl()
                self._in_raw_repl = True
                return
        raise NoAnswer(f"nothing at {self.port} answers as MicroPython does")

    def _interrupt(self) -> None:
        self._line.write(b"\r\x03")
        self._line.drain()
        self._line.write(b"\r\x01")
        self._line.read_until(_RAW_REPL + b">")

    def _restart_in_raw_repl(self) -> None:
        self._line.write(b"\x04")
        self._line.read_until(_REBOOT)
        self._line.read_until(_RAW_REPL)


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
