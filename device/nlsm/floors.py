"""Values that must never go down on a node: the time, and the security version of each service.

They are in one small text file with a line `NAME NUMBER` for each. `=time`, which cannot be a
service's name, is the time. `=grace` is the number of seconds for which services were allowed to
run since the time was last known. The file is written when a security version rises. For the time
alone it is written at most once an hour, because flash wears.
"""

from sealcore import errors
from sealcore.compat import const, sha256

from . import keystore

TIME = const("=time")
_FILE = keystore.ROOT + "/floors"
_STEP = const(3600)
_LIMIT = const(16384)
_SUM = const(16)


def read() -> dict:
    """Return {TIME: Unix seconds, service: the highest security version accepted so far}.

    Raises Rollback if the file is damaged, because the old values are unknown then.
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
    """Store a time that the site has signed and a security version that was accepted.

    A lower value than the stored one changes nothing. If the flash is full, a new time can wait. A
    new version cannot: then this raises OSError, and the service is not accepted.
    """
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
    """Replace the file. Raises TooLarge if `read` could not read it back.

    So only a new service is refused when there are too many, and not all of them forever.
    """
    lines = "".join(["%s %d\n" % item for item in found.items()]).encode()
    if _SUM + len(lines) > _LIMIT:
        raise errors.TooLarge("floors")
    keystore.write(_FILE, _sum(lines) + lines)
