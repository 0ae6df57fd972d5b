"""What a board's `machine` has and the unix port's lacks: resets, identity and pins.

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

_host = vfs.VfsPosix()
_board = {}


def configure(identity, cause, pins):
    """Set what the hardware would know; called once before boot.py."""
    _board["id"] = bytes.fromhex(identity)
    _board["cause"] = cause
    _board["pins"] = pins


def unique_id():
    """Eight bytes that stay the same for this board."""
    return _board["id"]


def reset_cause():
    """Why the board started: PWRON_RESET, HARD_RESET or SOFT_RESET."""
    return _board["cause"]


def reset():
    """Start again like after a press of the reset button: at once, nothing is cleaned up."""
    os.system("kill -KILL $PPID")  # noqa: S605 - the port has no kill


def soft_reset():
    """Leave Python and start it again."""
    sys.exit()


def soft_reset_now():
    """Soft reset from where no SystemExit may pass."""
    os.system("kill -TERM $PPID")  # noqa: S605


class Pin(PinBase):
    """A digital pin."""

    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None):
        self._file = _board["pins"] + "/" + str(id)
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None):
        """Set the mode; a pulled-up input reads 1 until something drives it."""
        self._mode = mode
        if value is not None:
            self.value(value)
        elif mode == Pin.IN and pull == Pin.PULL_UP and self._read() is None:
            self._write(1, 0)

    def _read(self):
        try:
            with _host.open(self._file, "r") as f:
                value, changes = f.read().split()
        except OSError:
            return None
        return int(value), int(changes)

    def _write(self, value, changes):
        # Renamed into place, so that a reader never sees half of it.
        with _host.open(self._file + ".tmp", "w") as f:
            f.write("%d %d\n" % (value, changes))
        _host.rename(self._file + ".tmp", self._file)

    def value(self, x=None):
        """Read the pin, or drive it with `x`."""
        now, changes = self._read() or (0, 0)
        if x is None:
            return now
        x = 1 if x else 0
        self._write(x, changes + (x != now))

    __call__ = value

    def on(self):
        """Drive it high."""
        self.value(1)

    def off(self):
        """Drive it low."""
        self.value(0)

    def toggle(self):
        """Drive it to the other value."""
        self.value(not self.value())
