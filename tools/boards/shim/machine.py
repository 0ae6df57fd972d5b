"""What a board's `machine` has and the unix port's lacks: resets, identity, pins, a watchdog.

On a board all this is firmware; here it lies on the heap, so it is written to be small.

A pin's value lives in a file of the virtual board's state folder, `VALUE CHANGES MODE`, where a
test or a demo can read it, and write it to drive an input.
"""

import os
import sys

import vfs
from umachine import *  # noqa: F403
from umachine import PinBase

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
SOFT_RESET = 5


def configure(identity, cause, pins, watchdog, longest):
    """Set what the hardware would know; called once before boot.py.

    Without a hardware watchdog (`longest` 0), there is no `WDT`.
    """
    global unique_id, reset_cause, WDT  # noqa: PLW0603 - smaller than an object
    identity = bytes.fromhex(identity)
    unique_id = lambda: identity  # noqa: E731
    reset_cause = lambda: cause  # noqa: E731
    Pin._folder = pins + "/"
    Pin._host = vfs.VfsPosix()
    if longest:
        _Watchdog._pipe = open(watchdog, "wb")  # noqa: SIM115 - as long as the board runs
        _Watchdog._longest = longest
        WDT = _Watchdog


def reset():
    """Start again like after a press of the reset button: at once, nothing is cleaned up."""
    os.system("kill -KILL $PPID")  # noqa: S605 - the port has no kill


def soft_reset():
    """Leave Python and start it again."""
    sys.exit()


class Pin(PinBase):
    """A digital pin; a pulled-up input reads 1 until something drives it, any other one 0."""

    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2

    def __init__(self, id, mode=-1, pull=-1, value=None):
        self._file = Pin._folder + str(id)
        self.init(mode, pull, value)

    def init(self, mode=-1, pull=-1, value=None):
        now, changes, before = self._read()
        if value is None and mode == 0 and before:  # what drives it is not the board any more
            value = pull == 1 if before != -1 else now
        value = now if value is None else bool(value)
        mode = before if mode == -1 else mode
        if (value, mode) != (now, before):
            self._write(value, changes + (value != now), mode)

    def _read(self):
        # -1: driven from outside; -2: nobody has used it since a hard reset.
        try:
            with Pin._host.open(self._file, "r") as f:
                return [int(word) for word in f.read().split()]
        except OSError:
            return 0, 0, -2

    def _write(self, *words):
        # Renamed into place, so that a reader never sees half of it.
        with Pin._host.open(self._file + ".tmp", "w") as f:
            f.write("%d %d %d\n" % words)
        Pin._host.rename(self._file + ".tmp", self._file)

    def value(self, x=None):
        now, changes, mode = self._read()
        if x is None:
            return now
        self._write(bool(x), changes + (bool(x) != now), mode)

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self.value())


class _Watchdog:
    """`WDT`: the board is reset unless it is fed in time. It can't be stopped."""

    def __init__(self, id=0, timeout=5000):
        if not 0 < timeout <= _Watchdog._longest:
            raise ValueError("timeout exceeds %d" % _Watchdog._longest)
        self._timeout = timeout.to_bytes(4, "big")
        self.feed()

    def feed(self):
        _Watchdog._pipe.write(self._timeout)
