"""What must never go down on a node: time, and each service's security version.

One small text file, `NAME NUMBER` a line; `=time`, which no service is called, for the time. It is
written when a security version rises, and for the time alone at most once an hour: flash wears.
"""

from sealcore import errors
from sealcore.compat import const

from . import keystore

TIME = "=time"
_FILE = keystore.ROOT + "/floors"
_STEP = const(3600)
_LIMIT = const(16384)


def read() -> dict:
    """{TIME: Unix seconds, service: the highest security version accepted so far}.

    Raises Rollback where the file is damaged: nobody knows then how high they were.
    """
    found = {TIME: 0}
    for line in keystore.read(_FILE, _LIMIT).split(b"\n"):
        name, _, number = line.partition(b" ")
        if number.isdigit():
            found[str(name, "utf-8")] = int(number)
        elif line:
            raise errors.Rollback("the floors are damaged")
    return found


def rise(seconds: int, service: str = TIME, version: int = 0) -> None:
    """Remember a time that a trusted party has signed and a security version that was accepted;
    what is lower than before is left as it is."""
    found = read()
    if version > found.get(service, -1):
        found[service] = version
    elif seconds < found[TIME] + _STEP:
        return
    found[TIME] = max(seconds, found[TIME])
    lines = ["%s %d\n" % item for item in found.items()]
    keystore.write(_FILE, "".join(lines).encode())
