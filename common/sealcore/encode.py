"""A DER writer for the few types that Triseal writes. `der` reads them back."""

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
    """Return one element. `tag` is one byte, and `parts` are the bytes that make up its value."""
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
    """Return a SEQUENCE of the elements in `parts`, each of them DER."""
    return element(_SEQUENCE, *parts)


def set_of(part: bytes) -> bytes:
    """Return a SET OF one element, `part`. More than one would have to be sorted (X.690 section
    11.6)."""
    return element(_SET, part)


def integer(number: int, tag: int = _INTEGER) -> bytes:
    """Return a non-negative `number` as an INTEGER, or under another `tag`."""
    if number < 0:
        raise ValueError("negative integer")
    size = 1
    while number >> 8 * size:
        size += 1
    value = number.to_bytes(size, "big")
    return element(tag, b"\x00" + value if value[0] & 0x80 else value)


def octets(value, tag: int = _OCTET_STRING) -> bytes:
    """Return `value` as an OCTET STRING, or under another `tag`."""
    return element(tag, value)


def bits(value) -> bytes:
    """Return `value` as a BIT STRING of whole bytes."""
    return element(_BIT_STRING, b"\x00", value)


def oid(value: bytes) -> bytes:
    """Return an OBJECT IDENTIFIER from its encoded value."""
    return element(_OID, value)


def text(value: str, tag: int = _UTF8_STRING) -> bytes:
    """Return `value` as a UTF8String, or under another `tag`."""
    return element(tag, value.encode())


def explicit(number: int, *parts) -> bytes:
    """Return a constructed context-specific element: an explicit tag, or an implicit one of a
    SEQUENCE.

    Args:
        number: of the tag, 0 to 30.
        parts: the bytes that make up its value.
    """
    return element(_EXPLICIT | number, *parts)
