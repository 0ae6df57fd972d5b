"""A clock that a soak sets, for the processes of a site.

    python -m tests.lifecycle.stepped FILE site serve ...

runs `triseal site serve ...` in the time that FILE says, as on a computer whose clock NTP sets.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

_OFFSET = struct.Struct("<d")
_true_time = time.time


class Clock:
    """A clock that all processes share which have its file.

    Args:
        path: the file of the seconds by which it is ahead of the true time; made if need be.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_OFFSET.pack(0.0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _OFFSET.size)

    @property
    def offset(self) -> float:
        """Seconds by which it is ahead of the true time."""
        return float(_OFFSET.unpack_from(self._map)[0])

    def set(self, offset: float) -> None:
        """Set it."""
        _OFFSET.pack_into(self._map, 0, offset)

    def now(self) -> float:
        """The time that it shows, Unix seconds."""
        return _true_time() + self.offset


def main(arguments: list[str]) -> int:
    """Run the command line in such a time; see the module's text."""
    time.time = Clock(Path(arguments[0])).now
    from triseal.cli import main as commands  # it takes `time.time` as it is imported

    return commands.main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
