"""What resets a virtual board from outside of its interpreter: its watchdog, its supply."""

import os
import random
import time

_FEED = 4  # octets: the time, in ms, within which the next one must come


class Watchdog:
    """The hardware behind `machine.WDT`: a pipe that the board writes to when it feeds it.

    Attributes:
        fd: readable when it was fed.
        write_end: the descriptor that the board has of it.
        due: when it bites (`time.monotonic()`), or None.
    """

    def __init__(self) -> None:
        """A watchdog that was not started."""
        self.fd, self.write_end = os.pipe()
        os.set_blocking(self.fd, False)
        self.due: float | None = None
        self._left: float | None = None

    def fed(self) -> None:
        """The board has written: take note of it."""
        try:
            said = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return
        if self._left is None:
            self.due = time.monotonic() + int.from_bytes(said[-_FEED:], "big") / 1000

    def stop(self) -> None:
        """The board was reset: nothing but the firmware runs."""
        self._left = None
        self.fed()
        self.due = None

    def freeze(self) -> None:
        """Stop its clock with the board's."""
        if self.due is not None:
            self._left = max(0.0, self.due - time.monotonic())
            self.due = None

    def thaw(self) -> None:
        """Let it go on."""
        if self._left is not None:
            self.due = time.monotonic() + self._left
            self._left = None

    def close(self) -> None:
        """Free the pipe."""
        os.close(self.fd)
        os.close(self.write_end)


class Supply:
    """A supply whose voltage falls too low for a moment, now and then.

    Attributes:
        due: when it does next (`time.monotonic()`), or None.
    """

    def __init__(self, mean: float | None) -> None:
        """`mean` seconds between two such moments, exponentially distributed; None: never."""
        self._mean = mean
        self.due: float | None = None

    def on(self) -> None:
        """The board has power, from now on."""
        if self._mean is not None:
            # Which moments they are need not be hard to guess.
            self.due = time.monotonic() + random.expovariate(1 / self._mean)

    def off(self) -> None:
        """It has none."""
        self.due = None
