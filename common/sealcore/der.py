"""A strict DER reader (ITU-T X.690 section 10): forward only, by index, without recursion.

Each method refuses what BER allows and DER forbids, so no caller has to think of it. This module
has only what the check of a service needs; `extensions` and `x501` read the rest of X.509.
"""

from . import errors
from .compat import const

_INTEGER = const(0x02)
_BIT_STRING = const(0x03)
_OCTET_STRING = const(0x04)
_UTF8_STRING = const(0x0C)
_SEQUENCE = const(0x30)


class Reader:
    """Reads the elements of `data[pos:]` in order. The caller says which tag must come next.

    Values are memoryviews into `data`: only integers and text are copied. Every method raises
    MalformedDER if the next element is of another form.
    """

    def __init__(self, data):
        self.data = memoryview(data)
        self.pos = 0

    def peek(self) -> int:
        """Return the tag of the next element, or -1 at the end."""
        return self.data[self.pos] if self.pos < len(self.data) else -1

    def end(self) -> None:
        """Check that nothing follows."""
        if self.pos != len(self.data):
            raise errors.MalformedDER

    def value(self, tag: int = -1):
        """Return the value of the next element, which must have this tag; -1 allows any.

        Only the form of a tag that may be any is checked: a caller never gives the tag that `peek`
        has just returned, unless it knows that tag.
        """
        data = self.data
        at = self.pos + 2
        left = len(data) - at
        if left < 0:
            raise errors.MalformedDER
        found = data[at - 2]
        if tag < 0:
            # Low tag numbers only. Of the universal tags only SEQUENCE and SET are constructed.
            low = found & 0x1F
            if low == 0x1F or not found or (found < 0x40 and (found >= 0x20) != (low in (16, 17))):
                raise errors.MalformedDER
        elif found != tag:
            raise errors.MalformedDER
        length = data[at - 1]
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= min(4, left):  # 0 would be BER's indefinite form
                raise errors.MalformedDER
            length = int.from_bytes(data[at : at + size], "big")
            at += size
            left -= size
            if length < 0x80 or length >> 8 * (size - 1) == 0:
                raise errors.MalformedDER
        if length > left:
            raise errors.MalformedDER
        self.pos = at + length
        return data[at : self.pos]

    def element(self, tag: int = -1):
        """Return the whole next element with its header; it must have this tag; -1 allows any."""
        start = self.pos
        self.value(tag)
        return self.data[start : self.pos]

    def enter(self, tag: int = _SEQUENCE) -> "Reader":
        """Return a reader over the inside of the next element, which must have this tag."""
        return Reader(self.value(tag))

    def integer(self, tag: int = _INTEGER) -> int:
        """Read a signed integer of any size (X.690 section 8.3.2: the first nine bits are not all
        equal).

        Args:
            tag: the tag that it must have.
        """
        value = self.value(tag)
        size = len(value)
        if not size or (size > 1 and (value[0] << 1 | value[1] >> 7) in (0, 0x1FF)):
            raise errors.MalformedDER
        number = int.from_bytes(value, "big")
        # MicroPython's from_bytes ignores `signed`.
        return number - (1 << 8 * size) if value[0] & 0x80 else number

    def unsigned(self, low: int, high: int) -> int:
        """Read an integer that is not negative and lies within `low` to `high`, both included."""
        number = self.integer()
        if not low <= number <= high:
            raise errors.MalformedDER
        return number

    def octets(self, low: int, high: int, tag: int = _OCTET_STRING):
        """Read a string of bytes.

        Args:
            low: fewest bytes.
            high: most bytes.
            tag: the tag that it must have.
        """
        value = self.value(tag)
        if not low <= len(value) <= high:
            raise errors.MalformedDER
        return value

    def bits(self):
        """Read a bit string of whole bytes, as all keys and signatures are."""
        value = self.value(_BIT_STRING)
        if not value or value[0]:
            raise errors.MalformedDER
        return value[1:]

    def text(self, low: int, high: int, tag: int = _UTF8_STRING) -> str:
        """Read a UTF-8 string.

        Args:
            low: fewest bytes.
            high: most bytes.
            tag: the tag that it must have.
        """
        value = self.octets(low, high, tag)
        check_utf8(value)
        return str(value, "utf-8")


def check_utf8(value) -> None:
    """Check that `value` is UTF-8 by RFC 3629. MicroPython's own check accepts surrogates and
    overlong forms. Raises: MalformedDER."""
    need = 0
    low = 0x80
    high = 0xBF
    for byte in value:
        if need:
            need -= 1
        elif byte < 0x80:
            continue
        else:
            need = 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
            low, high = 0xC2, 0xF4
        if not low <= byte <= high:
            raise errors.MalformedDER
        low = 0xA0 if byte == 0xE0 else 0x90 if byte == 0xF0 else 0x80
        high = 0x9F if byte == 0xED else 0x8F if byte == 0xF4 else 0xBF
    if need:
        raise errors.MalformedDER


def single(data, tag: int = _SEQUENCE) -> Reader:
    """Return a reader over the inside of the only element in `data`.

    Args:
        data: DER.
        tag: the tag that the element must have.

    Raises: MalformedDER, also if anything follows the element.
    """
    reader = Reader(data)
    reader.data = reader.value(tag)
    if reader.pos != len(data):
        raise errors.MalformedDER
    reader.pos = 0
    return reader
