"""Times of X.509 (RFC 5280 section 4.1.2.5) to Unix seconds, by integers alone.

Boards have different epochs, so this module uses no clock function.
"""

from . import errors
from .compat import const

_UTC_TIME = const(0x17)
_GENERALIZED_TIME = const(0x18)


def days_before(count: int) -> int:
    """Return the days from 1970-01-01 to the first of a month.

    Args:
        count: 12 * year + month - 1.
    """
    year = count // 12
    month = count % 12
    days = 365 * (year - 1970) + 28 * month
    # The days that the months so far have beyond 28.
    for extra in b"\x03\x00\x03\x02\x03\x02\x03\x03\x02\x03\x02"[:month]:
        days += extra
    if month < 2:  # the leap day has not come yet
        year -= 1
    return days + year // 4 - year // 100 + year // 400 - 477


def read(reader) -> int:
    """Read a Time and return Unix seconds (RFC 5280 section 4.1.2.5).

    A time has whole seconds, `Z`, and a real calendar day, and each year has one of the two types.
    The digits are read one by one, because int() would accept signs, blanks and underscores.

    Args:
        reader: a `der.Reader` before it.

    Raises: MalformedDER.
    """
    tag = reader.peek()
    value = reader.value()
    size = 12 if tag == _UTC_TIME else 14
    if tag not in (_UTC_TIME, _GENERALIZED_TIME) or len(value) != size + 1 or value[size] != 0x5A:
        raise errors.MalformedDER
    pairs = []
    for i in range(0, size, 2):
        if not (0x30 <= value[i] <= 0x39 and 0x30 <= value[i + 1] <= 0x39):
            raise errors.MalformedDER
        pairs.append(10 * value[i] + value[i + 1] - 528)
    year = pairs[0] + (1900 if pairs[0] >= 50 else 2000)
    if tag == _GENERALIZED_TIME:
        year = 100 * pairs.pop(0) + pairs[0]
        if year < 2050:
            raise errors.MalformedDER
    _, month, day, hour, minute, second = pairs
    if not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        raise errors.MalformedDER
    count = 12 * year + month - 1
    days = days_before(count) + day - 1
    if not day or days >= days_before(count + 1):
        raise errors.MalformedDER
    return days * 86400 + hour * 3600 + minute * 60 + second
