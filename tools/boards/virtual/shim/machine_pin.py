"""The class `machine.Pin` of a virtual board.

A pin's value is in a file of the virtual board's state folder, `VALUE CHANGES MODE`. A test or a
demo can read this file, and write it to drive an input.
"""

import vfs
from umachine import PinBase


class Pin(PinBase):
    """A digital pin. A pulled-up input reads 1 until something drives it, any other input 0."""

    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2

    def __init__(self, id, mode=-1, pull=-1, value=None):
        self._file = _folder + "/" + str(id)
        self.init(mode, pull, value)

    def init(self, mode=-1, pull=-1, value=None):
        now, changes, before = self._read()
        if value is None and mode == 0 and before:  # the board no longer drives this pin
            value = pull == 1 if before != -1 else now
        value = now if value is None else bool(value)
        mode = before if mode == -1 else mode
        if (value, mode) != (now, before):
            self._write(value, changes + (value != now), mode)

    def _read(self):
        # Mode -1: driven from outside. Mode -2: not used since the last hard reset.
        try:
            with _host.open(self._file, "r") as f:
                return [int(word) for word in f.read().split()]
        except OSError:
            return 0, 0, -2

    def _write(self, *words):
        # The file is renamed into place, so that a reader never sees half of it.
        with _host.open(self._file + ".tmp", "w") as f:
            f.write("%d %d %d\n" % words)
        _host.rename(self._file + ".tmp", self._file)

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


def make(folder):
    """Return the class for pins in `folder`."""
    global _folder, _host  # noqa: PLW0603 - smaller than attributes
    _folder = folder
    _host = vfs.VfsPosix()
    return Pin
