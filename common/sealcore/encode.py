"""A DER writer for the few types that Triseal writes; `der` reads them back."""

from .compat import const

_INTEGER = const(0x02)
_BIT_STRING = const(0x03)
_OCTET_STRING = const(0x04)
_OID = const(0x06)
_UTF8_STRING = const(0x0C)
_SEQUENCE = const(0x30)
_SET = const(0x31)
_EXPLICIT = const(0xA0)


def element(tag: int, *parts) -> bytes:
    """One element; `parts` are the bytes that make up its value."""
    value = b"".join([bytes(part) for part in parts])  # MicroPython joins no memoryviews
    length = len(value)
    if length < 0x80:
        return bytes((tag, length)) + value
    size = b""
    while length:
        size = bytes((length & 0xFF,)) + size
        length >>= 8
    return bytes((tag, 0x80 | len(size))) + size + value


def sequence(*parts) -> bytes:
    return element(_SEQUENCE, *parts)


def set_of(part: bytes) -> bytes:
    """A _SET OF one element: more would have to be sorted."""
    return element(_SET, part)


def integer(number: int, tag: int = _INTEGER) -> bytes:
    """A non-negative integer."""
    if number < 0:
        raise ValueError("negative integer")
    size = 1
    while number >> 8 * size:
        size += 1
    value = number.to_bytes(size, "big")
    return element(tag, b"\x00" + value if value[0] & 0x80 else value)


def octets(value, tag: int = _OCTET_STRING) -> bytes:
    return element(tag, value)


def bits(value) -> bytes:
    """A bit string of whole octets."""
    return element(_BIT_STRING, b"\x00", value)


def oid(value: bytes) -> bytes:
    """An object identifier from its encoded form."""
    return element(_OID, value)


def text(value: str, tag: int = _UTF8_STRING) -> bytes:
    return element(tag, value.encode())


def explicit(number: int, *parts) -> bytes:
    """A constructed context-specific element: explicit tags, and implicit ones of SEQUENCEs."""
    return element(_EXPLICIT | number, *parts)
