"""The pins of a virtual board: a file for each, `VALUE CHANGES MODE`, which its shim writes too."""

from pathlib import Path
from typing import NamedTuple

from boards import state_folder

_OUTPUTS = (1, 2)  # as `machine.Pin.OUT` and `OPEN_DRAIN`
_OUTSIDE, _UNUSED = -1, -2  # driven from outside; not used since a hard reset


class PinState(NamedTuple):
    """A pin's value, how often it has changed, and the pin's mode."""

    value: int
    changes: int
    mode: int

    @property
    def driven(self) -> int | None:
        """The value to which the board drives it; None if it is no output."""
        return self.value if self.mode in _OUTPUTS else None


def read(path: Path) -> PinState:
    """Return the state in the file `path`; only zeros for a pin that nobody has used."""
    try:
        return PinState(*map(int, path.read_text().split()))
    except FileNotFoundError:
        return PinState(0, 0, _UNUSED)


def drive(path: Path, value: int) -> None:
    """Drive the pin in the file `path` to `value` from outside."""
    before = read(path)
    mode = max(before.mode, _OUTSIDE)
    _write(path, PinState(value, before.changes + (value != before.value), mode))


def release(folder: Path) -> None:
    """Note that the board was reset or has lost its power: it drives none of the pins
    in `folder`."""
    for path in folder.iterdir():
        if path.suffix != ".tmp" and read(path).mode >= 0:
            _write(path, read(path)._replace(mode=_UNUSED))


def _write(path: Path, pin: PinState) -> None:
    state_folder.write(path, "{} {} {}\n".format(*pin).encode())
