"""The ports of this computer that a board may be connected to."""

from __future__ import annotations

from serial.tools import list_ports

from boards import lock, state_folder
from boards.virtual import names


def found() -> list[tuple[str, str]]:
    """Return (port, description) of every serial port and of every running virtual board."""
    real = [(port.device, port.description) for port in list_ports.comports()]
    return sorted(real) + [(names.PREFIX + name, "virtual board") for name in _virtual()]


def _virtual() -> list[str]:
    folders = sorted((state_folder.root() / "virtual").glob("*/lock"))
    return [path.parent.name for path in folders if lock.is_held(path)]
