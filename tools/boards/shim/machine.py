"""What a board's `machine` has and the unix port's lacks: resets, identity and pins.

On a board all this is firmware; here it lies on the heap, so it is written to be small.

A pin's value lives in a file of the virtual board's state folder, `VALUE CHANGES`, where a test or
a demo can read it, and write it to drive an input.
"""

import os
import sys

import vfs
from umachine import *  # noqa: F403
from umachine import PinBase

PWRON_RESET = 1
HARD_RESET = 2
SOFT_RESET = 5


def configure(identity, cause, pins):
    """Set what the hardware would know; called once before boot.py."""
    global unique_id, reset_cause  # noqa: PLW0603 - smaller than a place to look them up
    identity = bytes.fromhex(identity)
    unique_id = lambda: identity  # noqa: E731
    reset_cause = lambda: cause  # noqa: E731
    Pin._folder = pins + "/"
    Pin._host = vfs.VfsPosix()


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
    _driven = set()  # files of the pins that the board drives

    def __init__(self, id, mode=-1, pull=-1, value=None):
        self._file = Pin._folder + str(id)
        self.init(mode, pull, value)

    def init(self, mode=-1, pull=-1, value=None):
        if mode == 0 and self._file in Pin._driven:
            self.value(0)
            Pin._driven.remove(self._file)
        if value is None and mode == 0 and pull == 1 and not self._read():
            value = 1
        if value is not None:
            self.value(value)

    def _read(self):
        try:
            with Pin._host.open(self._file, "r") as f:
                return [int(word) for word in f.read().split()]
        except OSError:
            return None

    def value(self, x=None):
        now, changes = self._read() or (0, 0)
        if x is None:
            return now
        Pin._driven.add(self._file)
        # Renamed into place, so that a reader never sees half of it.
        with Pin._host.open(self._file + ".tmp", "w") as f:
            f.write("%d %d\n" % (bool(x), changes + (bool(x) != now)))
        Pin._host.rename(self._file + ".tmp", self._file)

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self.value())
