"""A board at a port: its raw REPL, its facts, its files and its resets."""

import contextlib
import time
from typing import Any

from boards import device_code, device_errors, facts, literals
from boards.errors import BoardError, BoardGone, BoardTimeout, NoAnswer
from boards.files import Files
from boards.port import Port

_RAW_REPL = b"raw REPL; CTRL-B to exit\r\n"
_REBOOT = b"soft reboot\r\n"
_SETTLE = 1.0  # seconds in which a board that was reset says something, or its port vanishes


class Board(Port, Files):
    """Any board with MicroPython's raw REPL: real, emulated or virtual.

    A context manager. The first call interrupts the running program and resets Python softly,
    without main.py, so that the whole heap is free. `soft_reset` lets main.py run again, and
    `send`, `read_line` and `wait_for` then talk to it.

    Attributes:
        program: the board's own program is "untouched", "stopped" or "restarted".
    """

    def __init__(self, port: str, *, patience: float = 8.0) -> None:
        """Open a port.

        Args:
            port: a path, `virtual:NAME`, or a URL that pyserial knows (`socket://HOST:PORT`).
            patience: seconds that a board may take until its REPL answers; also the least timeout
                for code.

        Raises:
            NoPort, PortDenied, PortBusy, NotASerialPort, NotRunning: the port cannot be opened.
        """
        super().__init__(port, patience=patience)
        self.program = "untouched"
        self._in_raw_repl = False
        self._resetting = False

    def close(self) -> None:
        """Close the port. A board in its raw REPL is left at its friendly prompt."""
        with contextlib.suppress(BoardError):
            if self._in_raw_repl:
                self._line.write(b"\r\x02")
        self._in_raw_repl = False
        super().close()

    def exec(self, code: str, timeout: float = 10.0) -> str:
        """Run code on the board.

        Args:
            code: MicroPython source.
            timeout: seconds that it may take; `patience` counts instead if it is longer.

        Returns:
            Everything that the code printed, with plain newlines.

        Raises:
            DeviceFailed: the code raised an error; subclasses are errors that a host can act upon.
            NoAnswer, BoardTimeout, BoardGone: the board does not answer, is slow, or has vanished.
        """
        self._enter()
        try:
            printed, failure = self._run(code, self.patience, max(timeout, self.patience))
        except BaseException:  # after Ctrl-C, too, the code may still run
            self._in_raw_repl = False
            raise
        if failure:
            raise device_errors.from_traceback(failure.decode(errors="replace"))
        return printed.decode(errors="replace").replace("\r\n", "\n")

    def call(self, function: str, *arguments: object, timeout: float = 10.0) -> Any:
        """Call a function of a module on the board.

        Args:
            function: module and function, for example `os.listdir`.
            arguments: values that Python writes as literals: text, bytes, numbers, lists, ...
            timeout: seconds that it may take.

        Returns:
            What the function returned, a value of the same kinds.

        Raises:
            DeviceFailed, NoAnswer, BoardTimeout, BoardGone: as `exec`.
        """
        module, _, name = function.rpartition(".")
        values = ", ".join(repr(value) for value in arguments)
        statement = f"print(repr({module}.{name}({values})))"
        if module.startswith("nlsm."):
            code = device_code.agent(module, statement)
        else:
            code = f"import {module}\n{statement}"
        printed = self.exec(code, timeout)
        return literals.value("".join(printed.strip().splitlines()[-1:]))

    def facts(self) -> facts.Facts:
        """Return what the board is, and how much heap and flash are free.

        Raises:
            NoAnswer, BoardTimeout, BoardGone: as `exec`.
        """
        return facts.parse(self.exec(facts.CODE))

    def clear(self) -> None:
        """Free the whole heap for the next program: nothing of earlier calls stays in memory.

        Raises:
            NoAnswer, BoardTimeout, BoardGone: as `exec`.
        """
        if not self._in_raw_repl:
            self._enter()  # which clears
            return
        self._in_raw_repl = False
        self._line.allow(self.patience)
        self._line.drain()
        self._restart_in_raw_repl()
        self._in_raw_repl = True

    def soft_reset(self) -> None:
        """Start the board's Python again, with boot.py and main.py.

        Raises:
            NoAnswer, BoardTimeout, BoardGone: as `exec`.
        """
        self._enter()
        self._in_raw_repl = False
        self._line.allow(self.patience)
        self._line.drain()
        self._line.write(b"\r\x02")
        self._line.read_until(b">>> ")
        self._line.write(b"\x04")
        self._line.read_until(_REBOOT)
        self.program = "restarted"

    def reset(self) -> None:
        """Press the board's reset button, and find its port again if it goes away meanwhile.

        Raises:
            NoAnswer, BoardTimeout, BoardGone: as `exec`.
        """
        self._enter()
        self._in_raw_repl = False
        self._resetting = True
        try:
            self._hand_over("import machine\nmachine.reset()", self.patience)
            self.program = "restarted"
            self._line.allow(_SETTLE)
            self._line.await_input()
        except BoardTimeout:
            """A board without a banner is as good as one with."""
        except BoardGone:
            self._reopen()

    def reconnect(self) -> None:
        """Find a board again that was without power; its port may have gone away, too.

        Raises:
            BoardGone: its port does not come back.
        """
        self._in_raw_repl = False
        self._reopen()

    def _enter(self) -> None:
        if self._in_raw_repl:
            return
        self.program = "stopped"
        try:
            self._knock()
        except BoardGone:
            if not self._resetting:
                raise
            # A port that is slow to go away for a reset was still there in `reset`.
            self._reopen()
            self._knock()
        self._in_raw_repl = True
        self._resetting = False

    def _knock(self) -> None:
        end = time.monotonic() + self.patience
        for share in (0.1, 0.3, 1.0):
            # A board that is just starting loses early input, so it is asked again.
            with contextlib.suppress(BoardTimeout):
                self._line.deadline = end - (1 - share) * self.patience
                self._interrupt()
                self._line.deadline = end
                self._restart_in_raw_repl()
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
