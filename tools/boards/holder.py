"""Holds a virtual board: keeps its port open and an interpreter running behind it."""

import contextlib
import os
import queue
import secrets
import selectors
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from boards.console import Console
from boards.inlet import Inlet
from boards.outlet import Outlet
from boards.process import Process
from boards.terminal import Terminal

# Causes of a reset, numbered as `machine.reset_cause()` on the ESP32 port.
POWER_ON, HARD_RESET, SOFT_RESET = 1, 2, 5


class Launch(NamedTuple):
    """How one interpreter is to start.

    Attributes:
        cause: of the reset that it follows.
        token: what its shim prints when ready.
        raw: whether it shall come back in the raw REPL, without main.py.
        interrupted: whether it shall run neither boot.py nor main.py.
        stdin: the descriptor that it reads.
        leash: the terminal to open.
    """

    cause: int
    token: str
    raw: bool
    interrupted: bool
    stdin: int
    leash: str


Start = Callable[[Launch], Process]

_PAUSE = 0.1  # seconds before the next start of a board that never came to a prompt: if it resets
# for ever, it must not use up a core
_MAX_FAILURES = 3  # starts that never reach the file system


class Holder:
    """A loop in one thread that moves bytes between port and interpreter, and restarts that.

    Attributes:
        port: the path of the board's port.
        starts: how many interpreters have become ready so far.
        failure: why it gave up, or None.
    """

    def __init__(self, start: Start) -> None:
        self._start_process = start
        self._terminal = Terminal()
        self._inlet = Inlet()
        self._outlet = Outlet(self._terminal)
        self._console = Console()
        self._process: Process | None = None
        self._start_due: tuple[float, int] | None = None
        self._failures = 0
        self._interrupt_due = False
        self._ending = False
        self._selector = selectors.DefaultSelector()
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_read, self._wake = os.pipe()
        self._changed = threading.Condition()
        self.port = self._terminal.port
        self.starts = 0
        self.failure: str | None = None

    # From any thread

    @property
    def is_on(self) -> bool:
        """Whether it has power: an interpreter runs, or is about to."""
        return self._process is not None or self._start_due is not None

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` in the loop's thread and wait until it has run."""
        done: Future[None] = Future()

        def run() -> None:
            try:
                job()
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

        self._jobs.put(run)
        os.write(self._wake, b"!")
        done.result()

    def await_start(self, number: int, timeout: float) -> bool:
        """Wait until `starts` has reached `number`, or the board has failed.

        Returns:
            False if neither happened within `timeout` seconds.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: self.starts >= number or self.failure is not None, timeout
            )

    # Jobs, to be submitted

    def power_on(self) -> None:
        """Start the interpreter."""
        self._console.raw = False
        self._failures = 0
        self._start(POWER_ON)

    def power_cut(self) -> None:
        """End the interpreter at once and leave it off."""
        self._start_due = None
        self._interrupt_due = False
        if self._process is not None:
            self._process.kill()
            self._retire(self._process)
        self._inlet.empty()

    def reset(self) -> None:
        """End the interpreter at once; the loop starts it again."""
        if self._process is not None:
            self._process.kill()

    def freeze(self) -> None:
        """Stop the interpreter where it is."""
        if self._process is not None:
            self._process.freeze()

    def thaw(self) -> None:
        """Let a frozen interpreter go on."""
        if self._process is not None:
            self._process.thaw()

    def end(self) -> None:
        """Leave the loop."""
        self._ending = True

    # The loop

    def run(self) -> None:
        """Serve until `end`; then everything is closed."""
        self._watch(self._wake_read, selectors.EVENT_READ, self._on_wake)
        try:
            while not self._ending:
                self._watch_all()
                for key, _ in self._selector.select(self._timeout()):
                    key.data()
                self._on_time()
        finally:
            self.power_cut()
            self._close()

    def _close(self) -> None:
        self._selector.close()
        self._terminal.close()
        self._inlet.close()
        os.close(self._wake_read)
        os.close(self._wake)

    def _watch(self, fd: int, events: int, handler: Callable[[], None]) -> None:
        known = fd in self._selector.get_map()
        if events and known:
            self._selector.modify(fd, events, handler)
        elif events:
            self._selector.register(fd, events, handler)
        elif known:
            self._selector.unregister(fd)

    def _watch_all(self) -> None:
        taking = self._process is not None and self._console.ready
        feeding = selectors.EVENT_WRITE if taking and self._inlet.waiting else 0
        self._watch(self._inlet.fd, feeding, self._inlet.flush)
        events = 0 if self._inlet.full else selectors.EVENT_READ
        events |= selectors.EVENT_WRITE if self._outlet.waiting else 0
        self._watch(self._terminal.master, events, self._on_port)
        if self._process is not None:
            reading = 0 if self._outlet.waiting else selectors.EVENT_READ
            self._watch(self._process.output, reading, self._on_output)

    def _timeout(self) -> float | None:
        due = [at for at in (self._outlet.due, self._start_due and self._start_due[0]) if at]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _on_time(self) -> None:
        now = time.monotonic()
        if self._start_due and self._start_due[0] <= now:
            self._start(self._start_due[1])
        if self._outlet.due and self._outlet.due <= now:
            self._outlet.give_up()

    def _on_wake(self) -> None:
        os.read(self._wake_read, 4096)
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()()

    def _on_port(self) -> None:
        self._outlet.flush()
        data = self._terminal.read()
        if self.is_on:
            self._inlet.take(data, self._interrupt)

    def _interrupt(self) -> bool:
        if self._process is not None and self._console.ready:
            return self._process.interrupt()
        # Kept until there is a prompt: a board that resets for ever could else never be reached.
        self._interrupt_due = self.is_on
        return self._interrupt_due

    def _on_output(self) -> None:
        if self._process is None:
            return
        data = os.read(self._process.output, 4096)
        if not data:
            self._on_exit(self._process)
            return
        was_ready = self._console.ready
        self._outlet.send(self._console.feed(data))
        self._interrupt_due = self._interrupt_due and not self._console.at_prompt
        if self._console.stuck:
            self._process.kill()
        if self._console.ready and not was_ready:
            self._on_ready(self._process)

    def _on_ready(self, process: Process) -> None:
        self._failures = 0
        if self._interrupt_due:
            process.interrupt()
        with self._changed:
            self.starts += 1
            self._changed.notify_all()

    # Starts and ends

    def _start(self, cause: int) -> None:
        try:
            self._launch(cause)
        except OSError as error:
            self._fail(f"the interpreter can't be started: {error}")

    def _launch(self, cause: int) -> None:
        token = secrets.token_hex(8)
        self._start_due = None
        self._console.expect(token.encode())
        self._process = self._start_process(
            Launch(
                cause,
                token,
                self._console.raw,
                self._interrupt_due,
                self._inlet.read_end,
                self._terminal.leash,
            )
        )

    def _retire(self, process: Process) -> int:
        self._process = None
        self._watch(process.output, 0, self._on_output)
        return process.wait()

    def _on_exit(self, process: Process) -> None:
        status = self._retire(process)
        if not self._console.ready and self._gave_up(status):
            return
        soft = status >= 0 or status == -signal.SIGTERM
        if soft:
            self._outlet.send(b"MPY: soft reboot\r\n")
            # Every interpreter starts with the friendly REPL; Ctrl-A brings the raw one back.
            self._inlet.keep_unread(b"\x01" if self._console.raw else b"")
        else:
            self._console.raw = False
            self._inlet.empty()
        pause = 0.0 if self._console.at_prompt else _PAUSE
        self._start_due = (time.monotonic() + pause, SOFT_RESET if soft else HARD_RESET)

    def _gave_up(self, status: int) -> bool:
        self._failures += 1
        if self._failures < _MAX_FAILURES:
            return False
        self._fail(self._console.complaint or f"MicroPython ended with status {status}")
        return True

    def _fail(self, reason: str) -> None:
        with self._changed:
            self.failure = reason
            self._changed.notify_all()
