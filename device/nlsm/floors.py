"""What must never go down on a node: time, and each service's security version.

One small text file, `NAME NUMBER` a line, `time` for the time (no service's name has a `=` in
front). It is written when a security version rises, and for the time at most once an hour: flash
wears, and the seals on it say the time as well.
"""

from sealcore import errors
from sealcore.compat import const

from . import keystore

_FILE = keystore.ROOT + "/floors"
_TIME = "=time"
_STEP = const(3600)
_LIMIT = const(16384)


class Floors:
    """The floors as they are on flash, and the time's as it is known."""

    def __init__(self):
        """Read them; raises Rollback where the file is damaged: nobody knows how low they were."""
        self._kept = {}
        for line in keystore.read(_FILE, _LIMIT).decode().split("\n"):
            if line:
                name, _, number = line.partition(" ")
                if not number.isdigit():
                    raise errors.Rollback("the floors are damaged")
                self._kept[name] = int(number)
        self.time = self._kept.get(_TIME, 0)

    def version(self, service: str) -> int:
        """The highest security version accepted for this service so far."""
        return self._kept.get(service, 0)

    def raise_version(self, service: str, version: int) -> None:
        """Remember an accepted security version."""
        if version > self._kept.get(service, -1):
            self._kept[service] = version
            self._write()

    def raise_time(self, seconds: int) -> None:
        """Remember a time that a trusted party has signed; Unix seconds."""
        self.time = max(self.time, seconds)
        if self.time >= self._kept.get(_TIME, 0) + _STEP:
            self._write()

    def _write(self) -> None:
        self._kept[_TIME] = self.time
        lines = ["%s %d\n" % item for item in self._kept.items()]
        keystore.write(_FILE, "".join(lines).encode())
