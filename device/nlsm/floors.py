"""What must never go down on a node: time, and each service's security version.

One small text file, `NAME NUMBER` a line; `=time`, which no service is called, for the time, and
`=grace` for the seconds that services were allowed to run since somebody told the time. It is
written when a security version rises, and for the time alone at most once an hour: flash wears.
"""

from sealcore import errors
from sealcore.compat import const, sha256

from . import keystore

TIME = "=time"
_FILE = keystore.ROOT + "/floors"
_STEP = const(3600)
_LIMIT = const(16384)
_SUM = const(16)


def read() -> dict:
    """{TIME: Unix seconds, service: the highest security version accepted so far}.

    Raises Rollback where the file is damaged: nobody knows then how high they were.
    """
    found = {TIME: 0}
    data = keystore.read(_FILE, _LIMIT)
    lines = data[_SUM:]
    if data and data[:_SUM] != _sum(lines):
        raise errors.Rollback("the floors are damaged")
    for line in lines.decode().split("\n")[:-1]:
        name, number = line.split(" ")
        found[name] = int(number)
    return found


def _sum(lines: bytes) -> bytes:
    return sha256(lines).hex()[:_SUM].encode()


def rise(seconds: int, service: str = TIME, version: int = 0) -> None:
    """Remember a time that a trusted party has signed and a security version that was accepted;
    what is lower than before is left as it is. The time alone can wait until the flash has room
    again; a version that could not be remembered is not accepted, and OSError raised."""
    found = read()
    risen = version > found.get(service, 0)
    if risen:
        found[service] = version
    elif seconds < found[TIME] + _STEP:
        return
    found[TIME] = max(seconds, found[TIME])
    try:
        write(found)
    except OSError:
        if risen:
            raise


def write(found: dict) -> None:
    """Replace them all. Raises TooLarge for more than can be read again: then another service than
    so far is refused, rather than all of them forever."""
    lines = "".join(["%s %d\n" % item for item in found.items()]).encode()
    if _SUM + len(lines) > _LIMIT:
        raise errors.TooLarge("floors")
    keystore.write(_FILE, _sum(lines) + lines)
