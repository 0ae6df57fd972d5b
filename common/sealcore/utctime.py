"""Times of X.509 (RFC 5280 section 4.1.2.5) to Unix seconds and back, by integers alone.

No board agrees with another on an epoch, so no clock function has a say here.
"""

from .compat import const
from .der import GENERALIZED_TIME, UTC_TIME
from .encode import element
from .errors import MalformedDER

_DAY = const(86400)


def _days_before_year(year: int) -> int:
    """Days from 1970-01-01 to the first of January."""
    year -= 1
    return 365 * (year - 1969) + year // 4 - year // 100 + year // 400 - 477


def _month_lengths(year: int) -> bytes:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return b"\x1f\x1d\x1f\x1e\x1f\x1e\x1f\x1f\x1e\x1f\x1e\x1f" if leap else (
        b"\x1f\x1c\x1f\x1e\x1f\x1e\x1f\x1f\x1e\x1f\x1e\x1f"
    )


def to_seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """Unix seconds of a calendar time; raises MalformedDER if there is no such time."""
    if not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        raise MalformedDER("no such time")
    lengths = _month_lengths(year)
    if not 1 <= day <= lengths[month - 1]:
        raise MalformedDER("no such day")
    days = _days_before_year(year) + sum(lengths[: month - 1]) + day - 1
    return days * _DAY + hour * 3600 + minute * 60 + second


def from_seconds(seconds: int):
    """(year, month, day, hour, minute, second) of a Unix time."""
    days = seconds // _DAY
    rest = seconds % _DAY
    year = 1970 + days // 366  # never too high; at most a few years too low
    if days < 0:
        year = 1970 + days // 365
    while _days_before_year(year + 1) <= days:
        year += 1
    days -= _days_before_year(year)
    month = 0
    for length in _month_lengths(year):
        month += 1
        if days < length:
            break
        days -= length
    return year, month, days + 1, rest // 3600, rest % 3600 // 60, rest % 60


def _digits(value) -> bytes:
    """Two-digit groups as small integers; int() would take signs, blanks and underscores."""
    for octet in value:
        if not 0x30 <= octet <= 0x39:
            raise MalformedDER("time has other than digits")
    return bytes(10 * value[i] + value[i + 1] - 528 for i in range(0, len(value), 2))


def decode(tag: int, value) -> int:
    """Unix seconds of a UTCTime or GeneralizedTime value: whole seconds, `Z`, and for each year
    the one type that RFC 5280 gives it."""
    if tag == UTC_TIME and len(value) == 13:
        groups = _digits(value[:12])
        year = groups[0] + (1900 if groups[0] >= 50 else 2000)
    elif tag == GENERALIZED_TIME and len(value) == 15:
        groups = _digits(value[:14])
        year = 100 * groups[0] + groups[1]
        groups = groups[1:]
        if year < 2050:
            raise MalformedDER("GeneralizedTime before 2050")
    else:
        raise MalformedDER("time form")
    if value[-1] != 0x5A:
        raise MalformedDER("time zone is not Z")
    return to_seconds(year, groups[1], groups[2], groups[3], groups[4], groups[5])


def read(reader) -> int:
    """Read a Time (RFC 5280: UTCTime or GeneralizedTime) from a `der.Reader`."""
    tag = reader.peek()
    if tag not in (UTC_TIME, GENERALIZED_TIME):
        raise MalformedDER("time type")
    return decode(tag, reader.value(tag))


def encode(seconds: int) -> bytes:
    """The element for a Unix time in 1950..9999."""
    fields = from_seconds(seconds)
    year = fields[0]
    if not 1950 <= year <= 9999:
        raise ValueError("year out of range")
    tail = "%02d%02d%02d%02d%02dZ" % fields[1:]
    if year < 2050:
        return element(UTC_TIME, ("%02d" % (year % 100) + tail).encode())
    return element(GENERALIZED_TIME, ("%04d" % year + tail).encode())


def iso(seconds: int) -> str:
    """For people: 2026-11-22T12:31:05Z."""
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % from_seconds(seconds)
