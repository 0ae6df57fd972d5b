"""The pins of a virtual board: a file for each, `VALUE CHANGES MODE`, which its shim writes too."""

from pathlib import Path
from typing import NamedTuple

from boards import state_folder

_OUTPUTS = (1, 2)  # as `machine.Pin.OUT` and `OPEN_DRAIN`
_OUTSIDE, _UNUSED = -1, -2  # driven by nobody here; not used since a hard reset


class PinState(NamedTuple):
    """What a pin shows: its value, how often that has changed, and its mode."""

    value: int
    changes: int
    mode: int

    @property
    def driven(self) -> int | None:
        """To what the board drives it; None where it is no output."""
        return self.value if self.mode in _OUTPUTS else None


def read(path: Path) -> PinState:
    """What a pin shows; nothing but zeros for one that nobody has used."""
    try:
        return PinState(*map(int, path.read_text().split()))
    except FileNotFoundError:
        return PinState(0, 0, _UNUSED)


def drive(path: Path, value: int) -> None:
    """Drive a pin from outside."""
    before = read(path)
    mode = max(before.mode, _OUTSIDE)
    _write(path, PinState(value, before.changes + (value != before.value), mode))


def release(folder: Path) -> None:
    """The board has lost its power, or was reset: it drives none of its pins any more."""
    for path in folder.iterdir():
        if path.suffix != ".tmp" and read(path).mode >= 0:
            _write(path, read(path)._replace(mode=_UNUSED))


def _write(path: Path, pin: PinState) -> None:
    state_folder.write(path, "{} {} {}\n".format(*pin).encode())
