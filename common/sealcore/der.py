"""A strict DER reader (ITU-T X.690 section 10): forward only, by index, without recursion.

What BER allows and DER forbids is refused where it is read, so nobody above has to think of it.
"""

from .compat import const
from .errors import MalformedDER

BOOLEAN = const(0x01)
INTEGER = const(0x02)
BIT_STRING = const(0x03)
OCTET_STRING = const(0x04)
NULL = const(0x05)
OID = const(0x06)
UTF8_STRING = const(0x0C)
NUMERIC_STRING = const(0x12)
PRINTABLE_STRING = const(0x13)
IA5_STRING = const(0x16)
UTC_TIME = const(0x17)
GENERALIZED_TIME = const(0x18)
VISIBLE_STRING = const(0x1A)
UNIVERSAL_STRING = const(0x1C)
BMP_STRING = const(0x1E)
SEQUENCE = const(0x30)
SET = const(0x31)
CONTEXT = const(0x80)  # context-specific, primitive: CONTEXT | number
CONSTRUCTED = const(0x20)


class Reader:
    """Reads the elements of `data[start:end]` in order; the caller says which tag is due.

    Values come back as memoryviews into `data`: nothing is copied but integers.
    """

    def __init__(self, data, start: int = 0, end: int = -1):
        self._data = memoryview(data)
        self._at = start
        self._end = len(data) if end < 0 else end

    def peek(self) -> int:
        """Tag of the next element, or -1 at the end."""
        return self._data[self._at] if self._at < self._end else -1

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != self._end:
            raise MalformedDER("trailing bytes")

    def _octet(self) -> int:
        if self._at >= self._end:
            raise MalformedDER("truncated")
        self._at += 1
        return self._data[self._at - 1]

    def _length(self) -> int:
        length = self._octet()
        if length < 0x80:
            return length
        count = length & 0x7F
        if not 1 <= count <= 4:  # 0 would be BER's indefinite form
            raise MalformedDER("length form")
        length = 0
        for _ in range(count):
            length = length << 8 | self._octet()
        if length < 0x80 or length >> 8 * (count - 1) == 0:
            raise MalformedDER("length is not minimal")
        return length

    def _skip(self) -> int:
        """Step over one element of any tag; returns where its value starts."""
        check_tag(self._octet())
        length = self._length()
        start = self._at
        if length > self._end - start:
            raise MalformedDER("truncated")
        self._at = start + length
        return start

    def element(self):
        """The next element whole, header included."""
        start = self._at
        self._skip()
        return self._data[start : self._at]

    def value(self, tag: int):
        """The value of the next element, which must have this tag."""
        if self.peek() != tag:
            raise MalformedDER("expected tag %02x, found %02x" % (tag, self.peek() & 0xFF))
        start = self._skip()
        return self._data[start : self._at]

    def enter(self, tag: int = SEQUENCE) -> "Reader":
        """A reader over the inside of the next element."""
        return Reader(self.value(tag))

    def boolean(self) -> bool:
        value = self.value(BOOLEAN)
        if len(value) != 1 or value[0] not in (0x00, 0xFF):
            raise MalformedDER("boolean")
        return value[0] == 0xFF

    def integer(self, tag: int = INTEGER) -> int:
        """A signed integer of any size."""
        value = self.value(tag)
        check_integer(value)
        number = int.from_bytes(value, "big")
        # MicroPython's from_bytes ignores `signed`.
        return number - (1 << 8 * len(value)) if value[0] & 0x80 else number

    def unsigned(self, low: int, high: int) -> int:
        """An integer within low..high, both inclusive and not negative."""
        number = self.integer()
        if not low <= number <= high:
            raise MalformedDER("integer out of bounds")
        return number

    def null(self) -> None:
        if len(self.value(NULL)):
            raise MalformedDER("null")

    def oid(self) -> bytes:
        """An object identifier in its encoded form, without header."""
        value = bytes(self.value(OID))
        check_oid(value)
        return value

    def octets(self, low: int, high: int, tag: int = OCTET_STRING):
        """An octet string of low..high octets."""
        value = self.value(tag)
        if not low <= len(value) <= high:
            raise MalformedDER("octet string size")
        return value

    def bits(self, tag: int = BIT_STRING):
        """A bit string of whole octets, as all keys and signatures are."""
        value = self.value(tag)
        if len(value) < 1 or value[0]:
            raise MalformedDER("bit string")
        return value[1:]

    def any_bits(self, tag: int = BIT_STRING):
        """A bit string of any number of bits; those unused are zero (X.690 11.2.1)."""
        value = self.value(tag)
        if len(value) < 1 or value[0] > 7 or (len(value) == 1 and value[0]):
            raise MalformedDER("bit string")
        if value[-1] & (1 << value[0]) - 1 and len(value) > 1:
            raise MalformedDER("unused bits")
        return value

    def named_bits(self) -> int:
        """A bit string with named bits: bit 0 is the lowest of the result; at most 16 bits.

        X.690 11.2.2: no trailing zero bits.
        """
        value = self.any_bits()
        if len(value) > 3 or (len(value) > 1 and not value[-1] & 1 << value[0]):
            raise MalformedDER("named bits")
        result = 0
        for i in range(8 * (len(value) - 1)):
            if value[1 + i // 8] & 0x80 >> i % 8:
                result |= 1 << i
        return result

    def text(self, low: int, high: int, tag: int = UTF8_STRING) -> str:
        """A UTF-8 string of low..high octets."""
        value = self.octets(low, high, tag)
        check_utf8(value)
        return str(value, "utf-8")


def check_tag(tag: int) -> None:
    """Low tag numbers only; of the universal ones, SEQUENCE and SET are constructed, no other."""
    number = tag & 0x1F
    if number == 0x1F:
        raise MalformedDER("high tag number")
    if tag < 0x40 and (number == 0 or (number in (16, 17)) != bool(tag & CONSTRUCTED)):
        raise MalformedDER("universal tag %02x" % tag)


def check_integer(value) -> None:
    """X.690 8.3.2: at least one octet, and the first nine bits are not all the same."""
    if len(value) == 0:
        raise MalformedDER("empty integer")
    if len(value) > 1 and value[0] in (0x00, 0xFF) and value[0] >> 7 == value[1] >> 7:
        raise MalformedDER("integer is not minimal")


def check_oid(value) -> None:
    """X.690 8.19: minimal sub-identifiers, the last one ended."""
    if len(value) == 0 or value[-1] & 0x80:
        raise MalformedDER("object identifier")
    start = True
    for octet in value:
        if start and octet == 0x80:
            raise MalformedDER("object identifier")
        start = octet < 0x80


def check_utf8(value) -> None:
    """RFC 3629 by hand: MicroPython's own check lets surrogates and overlong forms pass."""
    need = 0
    low = 0x80
    high = 0xBF
    for octet in value:
        if need:
            if not low <= octet <= high:
                raise MalformedDER("utf-8")
            need -= 1
            low = 0x80
            high = 0xBF
        elif octet >= 0x80:
            if not 0xC2 <= octet <= 0xF4:
                raise MalformedDER("utf-8")
            need = 1 if octet < 0xE0 else 2 if octet < 0xF0 else 3
            low = 0xA0 if octet == 0xE0 else 0x90 if octet == 0xF0 else 0x80
            high = 0x9F if octet == 0xED else 0x8F if octet == 0xF4 else 0xBF
    if need:
        raise MalformedDER("utf-8")


def single(data, tag: int = SEQUENCE) -> Reader:
    """A reader over the inside of the one element that `data` is."""
    outer = Reader(data)
    inner = outer.enter(tag)
    outer.end()
    return inner
