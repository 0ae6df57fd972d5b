"""A DER writer for the few types that Triseal writes; `der` reads them back."""

from .compat import const

INTEGER = const(0x02)
BIT_STRING = const(0x03)
OCTET_STRING = const(0x04)
OID = const(0x06)
UTF8_STRING = const(0x0C)
SEQUENCE = const(0x30)
SET = const(0x31)
EXPLICIT = const(0xA0)


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
    return element(SEQUENCE, *parts)


def set_of(part: bytes) -> bytes:
    """A SET OF one element: more would have to be sorted."""
    return element(SET, part)


def integer(number: int, tag: int = INTEGER) -> bytes:
    """A non-negative integer."""
    if number < 0:
        raise ValueError("negative integer")
    size = 1
    while number >> 8 * size:
        size += 1
    value = number.to_bytes(size, "big")
    return element(tag, b"\x00" + value if value[0] & 0x80 else value)


def octets(value, tag: int = OCTET_STRING) -> bytes:
    return element(tag, value)


def bits(value) -> bytes:
    """A bit string of whole octets."""
    return element(BIT_STRING, b"\x00", value)


def oid(value: bytes) -> bytes:
    """An object identifier from its encoded form."""
    return element(OID, value)


def text(value: str, tag: int = UTF8_STRING) -> bytes:
    return element(tag, value.encode())


def explicit(number: int, *parts) -> bytes:
    """A constructed context-specific element: explicit tags, and implicit ones of SEQUENCEs."""
    return element(EXPLICIT | number, *parts)
