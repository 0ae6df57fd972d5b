"""Hold a virtual board: keep its port open and move bytes between the port and its interpreter."""

import selectors
import time
from collections.abc import Callable

from boards.virtual.hazards import Supply
from boards.virtual.inlet import Inlet
from boards.virtual.jobs import Jobs
from boards.virtual.outlet import Outlet
from boards.virtual.power import Power, Start
from boards.virtual.terminal import Terminal


class Holder:
    """A loop for a thread of its own.

    Attributes:
        terminal: the board's port.
        power: its interpreter; other threads use it only through `submit`, except `starts`.
        submit: runs a function in the loop's thread.
    """

    def __init__(self, start: Start, brown_out: float | None = None) -> None:
        """Open the port of a board that is off.

        Args:
            start: makes an interpreter for it.
            brown_out: seconds between losses of power, on average; None: never.
        """
        self.terminal = Terminal()
        self._inlet = Inlet()
        self._outlet = Outlet(self.terminal)
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}  # events by descriptor
        self._jobs = Jobs()
        self._ending = False
        self.power = Power(start, self._inlet, self._outlet, self._forget, Supply(brown_out))
        self.submit = self._jobs.submit

    def end(self) -> None:
        """Leave the loop; must be submitted."""
        self._ending = True

    def run(self) -> None:
        """Serve until `end`, then close everything."""
        self._watch(self._jobs.fd, selectors.EVENT_READ, self._jobs.run)
        self._watch(self.power.watchdog.fd, selectors.EVENT_READ, self.power.watchdog.fed)
        try:
            while not self._ending:
                self._watch_all()
                for key, _ in self._selector.select(self._timeout()):
                    key.data()
                self._on_time()
        finally:
            self.power.cut()
            self._selector.close()
            self.terminal.close()
            self._inlet.close()
            self.power.watchdog.close()
            self._jobs.close()

    def _watch_all(self) -> None:
        feeding = selectors.EVENT_WRITE if self.power.is_ready and self._inlet.waiting else 0
        self._watch(self._inlet.fd, feeding, self._inlet.flush)
        events = 0 if self._inlet.full else selectors.EVENT_READ
        events |= selectors.EVENT_WRITE if self._outlet.waiting else 0
        self._watch(self.terminal.master, events, self._on_port)
        if self.power.process is not None:
            reading = 0 if self._outlet.waiting else selectors.EVENT_READ
            self._watch(self.power.process.output, reading, self.power.take_output)

    def _watch(self, fd: int, events: int, handler: Callable[[], None]) -> None:
        known = self._watched.get(fd, 0)
        if events == known:
            return
        if not known:
            self._selector.register(fd, events, handler)
        elif events:
            self._selector.modify(fd, events, handler)
        else:
            self._selector.unregister(fd)
        self._watched[fd] = events

    def _forget(self, fd: int) -> None:
        if self._watched.pop(fd, 0):
            self._selector.unregister(fd)

    def _timers(self) -> list[tuple[float | None, Callable[[], None]]]:
        power = self.power
        return [
            (power.due, power.start),
            (power.watchdog.due, power.starve),
            (power.supply.due, power.brown_out),
            (self._outlet.due, self._outlet.give_up),
        ]

    def _timeout(self) -> float | None:
        due = [at for at, _ in self._timers() if at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _on_time(self) -> None:
        now = time.monotonic()
        for due, act in self._timers():
            if due is not None and due <= now:
                act()

    def _on_port(self) -> None:
        self._outlet.flush()
        data = self.terminal.read()
        if self.power.is_on:
            self._inlet.take(data, self.power.interrupt)
