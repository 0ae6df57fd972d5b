"""X.501 names as X.509 writes them (RFC 5280 sections 4.1.2.4 and 7.1)."""

from . import errors
from .compat import const
from .der import check_utf8, single

_BIT_STRING = const(0x03)
_OID = const(0x06)
_UTF8_STRING = const(0x0C)
_NUMERIC_STRING = const(0x12)
_PRINTABLE_STRING = const(0x13)
_TELETEX_STRING = const(0x14)
_IA5_STRING = const(0x16)
_VISIBLE_STRING = const(0x1A)
_UNIVERSAL_STRING = const(0x1C)
_BMP_STRING = const(0x1E)
_SET = const(0x31)
_PRINTABLE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"
_WIDTHS = {_BMP_STRING: 2, _UNIVERSAL_STRING: 4}  # bytes of a character


def check_oid(value) -> None:
    """Check the encoded `value` of an object identifier (X.690 section 8.19): minimal sub-
    identifiers, the last one complete. Raises: MalformedDER."""
    if not value or value[-1] & 0x80:
        raise errors.MalformedDER
    start = True
    for byte in value:
        if start and byte == 0x80:
            raise errors.MalformedDER
        start = byte < 0x80


def check_string(tag: int, value) -> None:
    """Check that the bytes of a string value fit its type.

    Args:
        tag: of the string type.
        value: its bytes.

    Raises: MalformedDER, also for a type that is no string.
    """
    if tag == _UTF8_STRING:
        check_utf8(value)
    elif tag == _PRINTABLE_STRING:
        _only(value, _PRINTABLE)
    elif tag == _NUMERIC_STRING:
        _only(value, b"0123456789 ")
    elif tag in (_IA5_STRING, _VISIBLE_STRING, _TELETEX_STRING):
        # No two readers agree on the characters of a TeletexString beyond ASCII.
        low, high = (0x20, 0x7E) if tag == _VISIBLE_STRING else (0x00, 0x7F)
        for byte in value:
            if not low <= byte <= high:
                raise errors.MalformedDER
    elif tag == _BIT_STRING:  # x500UniqueIdentifier
        _check_bits(value)
    elif tag in _WIDTHS:
        _check_characters(value, _WIDTHS[tag])
    else:
        raise errors.MalformedDER


def _check_bits(value) -> None:
    """X.690 sections 8.6.2 and 11.2.1: the first byte counts the unused bits, and these are all
    zero."""
    # Without any bits the last byte is the first: a count of unused bits other than 0 fails too.
    if not value or value[0] > 7 or value[-1] & (1 << value[0]) - 1:
        raise errors.MalformedDER


def _check_characters(value, width: int) -> None:
    """Check that there are whole characters, and only ones that Unicode has: no surrogates, none
    beyond."""
    if len(value) % width:
        raise errors.MalformedDER
    for i in range(0, len(value), width):
        point = int.from_bytes(value[i : i + width], "big")
        if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            raise errors.MalformedDER


def _only(value, allowed: bytes) -> None:
    for byte in value:
        if byte not in allowed:
            raise errors.MalformedDER


def check(name) -> None:
    """Check one well-formed Name: a SEQUENCE of non-empty, ordered SETs of attributes.

    Args:
        name: DER.

    Raises: MalformedDER.
    """
    rdns = single(name)
    while rdns.peek() >= 0:
        check_rdn(rdns.enter(_SET))


def check_rdn(rdn) -> None:
    """Check the attributes of a SET: at least one, in order.

    Args:
        rdn: a `der.Reader` over its inside.

    Raises: MalformedDER.
    """
    previous = b""
    while not previous or rdn.peek() >= 0:
        element = bytes(rdn.element())
        _check_attribute(element)
        if element <= previous:  # SET OF: ascending, and no attribute twice
            raise errors.MalformedDER
        previous = element


def _check_attribute(element) -> None:
    attribute = single(element)
    check_oid(attribute.value(_OID))
    tag = attribute.peek()
    check_string(tag, attribute.value())
    attribute.end()


def _folded(tag: int, value) -> bytes:
    """Fold ASCII case and compress white space, as RFC 5280 section 7.1 compares strings.

    Letters beyond ASCII are compared as they are, because MicroPython has no Unicode tables, and a
    name that fails to match is refused.
    """
    if tag in (_UTF8_STRING, _PRINTABLE_STRING, _IA5_STRING):
        # One tag for all types that compare with each other, or text could pass for a tag and text.
        return b"\x0c" + b" ".join(bytes(value).lower().split())
    return bytes((tag,)) + bytes(value)


def _comparable(name) -> list:
    result = []
    rdns = single(name)
    while rdns.peek() >= 0:
        rdn = rdns.enter(_SET)
        attributes = []
        while rdn.peek() >= 0:
            attribute = rdn.enter()
            kind = bytes(attribute.value(_OID))
            tag = attribute.peek()
            attributes.append((kind, _folded(tag, attribute.value())))
        result.append(sorted(attributes))
    return result


def check_match(a, b) -> None:
    """Check that two names are the same by RFC 5280 section 7.1.

    Args:
        a: DER of one Name.
        b: DER of the other.

    Raises: NameMismatch.
    """
    if a != b and _comparable(a) != _comparable(b):
        raise errors.NameMismatch("the issuer is another")
