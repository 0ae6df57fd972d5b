"""Unix seconds as text: for certificates (RFC 5280 section 4.1.2.5) and for people."""

from . import encode
from .compat import const
from .utctime import days_before

_UTC_TIME = const(0x17)
_GENERALIZED_TIME = const(0x18)
_DAY = const(86400)


def fields(seconds: int):
    """Return (year, month, day, hour, minute, second) of a Unix time in `seconds`."""
    days = seconds // _DAY
    rest = seconds % _DAY
    count = 12 * (1969 + days // 366)  # an estimate that is never too late
    while days_before(count + 1) <= days:
        count += 1
    day = days - days_before(count) + 1
    return count // 12, count % 12 + 1, day, rest // 3600, rest % 3600 // 60, rest % 60


def der(seconds: int) -> bytes:
    """Return the DER Time of a Unix time in `seconds`, from 1950 to 9999 (RFC 5280 section
    4.1.2.5)."""
    year, *rest = fields(seconds)
    if not 1950 <= year <= 9999:
        raise ValueError("year out of range")
    tail = "%02d%02d%02d%02d%02dZ" % tuple(rest)
    if year < 2050:
        return encode.text("%02d" % (year % 100) + tail, _UTC_TIME)
    return encode.text("%04d" % year + tail, _GENERALIZED_TIME)


def iso(seconds: int) -> str:
    """Return a Unix time in `seconds` for people: 2026-11-22T12:31:05Z."""
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % fields(seconds)
