"""The two causes of a reset outside of the interpreter of a virtual board: watchdog and supply."""

import os
import random
import time

_FEED = 4  # bytes: the time, in ms, within which the board must feed it again


class Watchdog:
    """The hardware behind `machine.WDT`: a pipe to which the board writes when it feeds it.

    Attributes:
        fd: readable after it was fed.
        write_end: the board's descriptor of it.
        due: when it resets the board (`time.monotonic()`), or None.
    """

    def __init__(self) -> None:
        """Make a watchdog that is not running."""
        self.fd, self.write_end = os.pipe()
        os.set_blocking(self.fd, False)
        self.due: float | None = None
        self._left: float | None = None

    def fed(self) -> None:
        """Note that the board has fed it."""
        try:
            said = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return
        if self._left is None:
            self.due = time.monotonic() + int.from_bytes(said[-_FEED:], "big") / 1000

    def stop(self) -> None:
        """Stop it: the board was reset, and only the firmware runs."""
        self._left = None
        self.fed()
        self.due = None

    def freeze(self) -> None:
        """Stop its clock together with the board's."""
        if self.due is not None:
            self._left = max(0.0, self.due - time.monotonic())
            self.due = None

    def thaw(self) -> None:
        """Let its clock go on."""
        if self._left is not None:
            self.due = time.monotonic() + self._left
            self._left = None

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.fd)
        os.close(self.write_end)


class Supply:
    """A supply whose voltage falls too low for a moment from time to time.

    Attributes:
        due: when it does next (`time.monotonic()`), or None.
    """

    def __init__(self, mean: float | None) -> None:
        """Make a supply with such a moment every `mean` seconds, exponentially distributed; None:
        never."""
        self._mean = mean
        self.due: float | None = None

    def on(self) -> None:
        """The board has power from now on."""
        if self._mean is not None:
            # These moments need not be hard to guess.
            self.due = time.monotonic() + random.expovariate(1 / self._mean)

    def off(self) -> None:
        """The board has no power from now on."""
        self.due = None
