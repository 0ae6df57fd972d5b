"""Names: X.501 names as X.509 writes them (RFC 5280 sections 4.1.2.4 and 7.1), and the plain
labels that Triseal gives to sites, nodes and services."""

from . import encode
from .compat import const
from .der import (
    BMP_STRING,
    IA5_STRING,
    NUMERIC_STRING,
    OID,
    PRINTABLE_STRING,
    SEQUENCE,
    SET,
    UNIVERSAL_STRING,
    UTF8_STRING,
    VISIBLE_STRING,
    Reader,
    check_utf8,
    single,
)
from .errors import MalformedDER, NameMismatch, ProfileViolation

_COMMON_NAME = b"\x55\x04\x03"
_MAX_COMMON_NAME = const(64)  # ub-common-name, RFC 5280 appendix A.1
_MAX_LABEL = const(63)
_LABEL_OCTETS = b"abcdefghijklmnopqrstuvwxyz0123456789.-_"
_PRINTABLE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"


def check_string(tag: int, value) -> None:
    """The octets of a string value fit its type; raises MalformedDER."""
    if tag == UTF8_STRING:
        check_utf8(value)
    elif tag == PRINTABLE_STRING:
        _only(value, _PRINTABLE)
    elif tag == NUMERIC_STRING:
        _only(value, b"0123456789 ")
    elif tag in (IA5_STRING, VISIBLE_STRING):
        low, high = (0x00, 0x7F) if tag == IA5_STRING else (0x20, 0x7E)
        for octet in value:
            if not low <= octet <= high:
                raise MalformedDER("string octet")
    elif (tag == BMP_STRING and len(value) % 2) or (tag == UNIVERSAL_STRING and len(value) % 4):
        raise MalformedDER("string length")


def _only(value, allowed: bytes) -> None:
    for octet in value:
        if octet not in allowed:
            raise MalformedDER("string octet")


def check(name) -> None:
    """`name` is one well-formed Name: a SEQUENCE of non-empty, ordered SETs of attributes."""
    rdns = single(name)
    while rdns.peek() >= 0:
        rdn = rdns.enter(SET)
        previous = b""
        while not previous or rdn.peek() >= 0:
            element = bytes(rdn.element())
            _check_attribute(element)
            if element <= previous:  # SET OF: ascending, and no attribute twice
                raise MalformedDER("order in a name")
            previous = element


def _check_attribute(element) -> None:
    attribute = single(element)
    attribute.oid()
    tag = attribute.peek()
    if tag < 0:
        raise MalformedDER("attribute without value")
    check_string(tag, attribute.value(tag))
    attribute.end()


def _folded(tag: int, value) -> bytes:
    """ASCII case folded and white space compressed, as RFC 5280 section 7.1 compares strings.

    Letters beyond ASCII compare as they are: MicroPython has no Unicode tables, and a name that
    fails to match is refused.
    """
    if tag in (UTF8_STRING, PRINTABLE_STRING, IA5_STRING):
        return b" ".join(bytes(value).lower().split())
    return bytes((tag,)) + bytes(value)


def _comparable(name) -> list:
    result = []
    rdns = single(name)
    while rdns.peek() >= 0:
        rdn = rdns.enter(SET)
        attributes = []
        while rdn.peek() >= 0:
            attribute = rdn.enter(SEQUENCE)
            kind = bytes(attribute.value(OID))
            tag = attribute.peek()
            attributes.append((kind, _folded(tag, attribute.value(tag))))
        result.append(sorted(attributes))
    return result


def check_match(a, b) -> None:
    """Raises NameMismatch unless the two names are the same by RFC 5280 section 7.1."""
    if a != b and _comparable(a) != _comparable(b):
        raise NameMismatch("the issuer is another")


def common_name(name) -> str:
    """The text of a name that is one UTF8String common name, which all of Triseal's names are."""
    rdns = single(name)
    rdn = rdns.enter(SET)
    rdns.end()
    attribute = rdn.enter(SEQUENCE)
    rdn.end()
    if attribute.oid() != _COMMON_NAME or attribute.peek() != UTF8_STRING:
        raise ProfileViolation("a name is one UTF8String common name")
    text = attribute.text(1, _MAX_COMMON_NAME)
    attribute.end()
    return text


def from_common_name(text: str) -> bytes:
    """The DER of a name that is one common name."""
    if not 1 <= len(text.encode()) <= _MAX_COMMON_NAME:
        raise ProfileViolation("a name has 1 to 64 octets")
    attribute = encode.sequence(encode.oid(_COMMON_NAME), encode.text(text))
    return encode.sequence(encode.set_of(attribute))


def check_label(text: str) -> str:
    """A site's, node's or service's name: 1 to 63 of a-z 0-9 . - _ beginning with a letter or digit.

    So it is one path segment of a SPIFFE ID and one file name on every file system that boards
    have, on FAT (which folds case) too. Returns it; raises ProfileViolation.
    """
    octets = text.encode()
    if not 1 <= len(octets) <= _MAX_LABEL or octets[0] in b".-_":
        raise ProfileViolation("name length or begin")
    for octet in octets:
        if octet not in _LABEL_OCTETS:
            raise ProfileViolation("a name has only a-z 0-9 . - _")
    return text
