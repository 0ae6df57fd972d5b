"""The interpreter of a virtual board: started, interrupted, reset, cut off, started again."""

import os
import secrets
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from boards.virtual.console import Console
from boards.virtual.hazards import Supply, Watchdog
from boards.virtual.inlet import Inlet
from boards.virtual.jobs import Starts
from boards.virtual.outlet import Outlet
from boards.virtual.process import Process

# Causes of a reset, numbered as `machine.reset_cause()` on the ESP32 port.
# A brown-out counts as a loss of power there.
POWER_ON, HARD_RESET, WATCHDOG_RESET, SOFT_RESET = 1, 2, 3, 5

# Seconds before the next start of a board that never came to a prompt: one that resets forever
# must not use up a core.
_PAUSE = 0.1
_MAX_FAILURES = 3  # starts that never reach the file system


class Launch(NamedTuple):
    """How one interpreter must start.

    Attributes:
        cause: of the reset before it.
        token: printed by its shim when it is ready.
        raw: whether it must start in the raw REPL, without main.py.
        interrupted: whether it must run neither boot.py nor main.py.
        stdin: the descriptor that it reads.
        watchdog: the descriptor that feeds its watchdog.
    """

    cause: int
    token: str
    raw: bool
    interrupted: bool
    stdin: int
    watchdog: int


Start = Callable[[Launch], Process]


class Power:
    """Everything about the interpreter except the moving of bytes; used by one thread.

    Attributes:
        process: the running interpreter, or None.
        due: when the next one must be started (`time.monotonic()`), or None.
        starts: counts its starts for other threads.
        watchdog: resets it from outside.
        supply: resets it from outside.
    """

    def __init__(
        self,
        start: Start,
        inlet: Inlet,
        outlet: Outlet,
        forget: Callable[[int], None],
        supply: Supply,
    ) -> None:
        """Make a board that is off.

        Args:
            start: makes an interpreter.
            inlet: its way in.
            outlet: its way out.
            forget: called with the descriptor of an interpreter's output before that is closed.
            supply: of its power.
        """
        self.watchdog = Watchdog()
        self.supply = supply
        self._start_process = start
        self._inlet = inlet
        self._outlet = outlet
        self._forget = forget
        self._console = Console()
        self._cause = POWER_ON
        self._from_outside: int | None = None
        self._failures = 0
        self._interrupt_due = False
        self._frozen = False
        self.process: Process | None = None
        self.due: float | None = None
        self.starts = Starts()

    @property
    def is_on(self) -> bool:
        """Whether an interpreter runs, or is about to."""
        return self.process is not None or self.due is not None

    @property
    def is_ready(self) -> bool:
        """Whether an interpreter runs that takes input."""
        return self.process is not None and self._console.ready

    def on(self) -> None:
        """Start the first interpreter."""
        self._console.raw = False
        self._failures = 0
        self._cause = POWER_ON
        self.supply.on()
        self.start()

    def start(self) -> None:
        """Start the interpreter that is due."""
        self.due = None
        token = secrets.token_hex(8)
        self._console.expect(token.encode())
        launch = Launch(
            self._cause,
            token,
            self._console.raw,
            self._interrupt_due,
            self._inlet.read_end,
            self.watchdog.write_end,
        )
        try:
            self.process = self._start_process(launch)
        except OSError as error:
            # A board with two images resets, and its boot loader starts the other one.
            self._cause = HARD_RESET
            self._console.raw = False
            if not self._gave_up(f"the interpreter can't be started: {error}"):
                self.due = time.monotonic() + _PAUSE
        else:
            if self._frozen:
                self.process.freeze()

    def cut(self) -> None:
        """End the interpreter at once and leave it off."""
        self.due = None
        self._interrupt_due = False
        self._frozen = False
        self.supply.off()
        if self.process is not None:
            self.process.kill()
            self._retire(self.process)
        self.watchdog.stop()
        self._inlet.empty()

    def reset(self, cause: int = HARD_RESET) -> None:
        """End the interpreter at once; `take_output` then notices it and starts it again.

        Args:
            cause: of the reset, as `machine.reset_cause()` gives it.
        """
        if self.process is not None:
            self._from_outside = cause
            self.process.kill()

    def starve(self) -> None:
        """Reset the board because its watchdog was not fed."""
        self.watchdog.due = None
        self.reset(WATCHDOG_RESET)

    def brown_out(self) -> None:
        """Reset the board because its voltage was too low for a moment."""
        self.supply.on()
        self.reset(POWER_ON)

    def freeze(self) -> None:
        """Stop the interpreter, and the watchdog and supply that could reset it."""
        self._frozen = self.is_on
        if self.process is not None:
            self.process.freeze()
        self.watchdog.freeze()
        self.supply.off()

    def thaw(self) -> None:
        """Let a frozen interpreter go on."""
        if not self._frozen:
            return
        self._frozen = False
        if self.process is not None:
            self.process.thaw()
        self.watchdog.thaw()
        self.supply.on()

    def interrupt(self) -> bool:
        """Do what Ctrl-C does.

        Returns:
            False if Ctrl-C is a plain byte for the running program.
        """
        if self.process is not None and self._console.ready:
            return self.process.interrupt()
        # Kept until there is a prompt; else a board that resets forever could never be reached.
        self._interrupt_due = self.is_on
        return self._interrupt_due

    def take_output(self) -> None:
        """Pass on the interpreter's output, or notice its end."""
        if self.process is None:
            return
        data = os.read(self.process.output, 4096)
        if not data:
            self._on_exit(self.process)
            return
        was_ready = self._console.ready
        self._outlet.send(self._console.feed(data))
        self._interrupt_due = self._interrupt_due and not self._console.at_prompt
        if self._console.stuck:
            self.process.kill()
        if self._console.ready and not was_ready:
            self._on_ready(self.process)

    def _on_ready(self, process: Process) -> None:
        self._failures = 0
        if self._interrupt_due:
            process.interrupt()
        self.starts.succeeded()

    def _retire(self, process: Process) -> int:
        self.process = None
        self._from_outside = None
        self._forget(process.output)
        return process.wait()

    def _on_exit(self, process: Process) -> None:
        cause = self._from_outside
        status = self._retire(process)
        complaint = self._console.complaint or f"MicroPython ended with status {status}"
        if not self._console.ready and cause is None and self._gave_up(complaint):
            return
        if self._console.ready and (status >= 0 or status == -signal.SIGTERM):
            self._cause = SOFT_RESET
            self._outlet.send(b"MPY: soft reboot\r\n")
            # Every interpreter starts with the friendly REPL; Ctrl-A brings the raw one back.
            interrupted = self._inlet.keep_all(b"\x01" if self._console.raw else b"")
        else:
            self._cause = cause or HARD_RESET
            self.watchdog.stop()
            self._console.raw = False
            interrupted = self._inlet.keep_latest()
        # A Ctrl-C that came while the interpreter was ending is for the next start, and so is one
        # that has ended it.
        self._interrupt_due |= interrupted or self._console.crashed
        self.due = time.monotonic() + (0.0 if self._console.at_prompt else _PAUSE)

    def _gave_up(self, complaint: str) -> bool:
        """Count a start that has failed. Return True if it was one too many."""
        self._failures += 1
        if self._failures < _MAX_FAILURES:
            return False
        self.starts.failed(complaint)
        return True
