"""The certificate extensions that `x509` knows (RFC 5280 section 4.2), strictly read."""

from . import errors, x501
from .compat import const
from .der import Reader, single
from .x501 import check_oid

_BOOLEAN = const(0x01)
_BIT_STRING = const(0x03)
_OID = const(0x06)
_IA5_STRING = const(0x16)
_CONTEXT = const(0x80)
_CONSTRUCTED = const(0x20)

KEY_USAGE = b"\x55\x1d\x0f"
SUBJECT_ALT_NAME = b"\x55\x1d\x11"
BASIC_CONSTRAINTS = b"\x55\x1d\x13"
EXT_KEY_USAGE = b"\x55\x1d\x25"
_SUBJECT_KEY_ID = b"\x55\x1d\x0e"
_AUTHORITY_KEY_ID = b"\x55\x1d\x23"
_NO_REV_AVAIL = b"\x55\x1d\x38"

KEY_CERT_SIGN = const(1 << 5)  # bit 5 of keyUsage
NO_PATH_LENGTH = const(256)

_MAX_KEY_ID = const(64)


def basic_constraints(value) -> int:
    """-1 for no CA; else the path length, or NO_PATH_LENGTH where there is no constraint."""
    sequence = single(value)
    authority = sequence.peek() == _BOOLEAN
    if authority and sequence.value() != b"\xff":  # FALSE is the DEFAULT, which is never written
        raise errors.MalformedDER
    if sequence.peek() < 0:
        return NO_PATH_LENGTH if authority else -1
    length = sequence.unsigned(0, NO_PATH_LENGTH - 1)
    sequence.end()
    if not authority:  # RFC 5280 section 4.2.1.9
        raise errors.UnsupportedCertificate("path length without CA")
    return length


def key_usage(value) -> int:
    """The usage bits, bit 0 lowest; RFC 5280 section 4.2.1.3 wants at least one."""
    reader = Reader(value)
    octets = reader.octets(2, 3, _BIT_STRING)
    reader.end()
    # X.690 11.2.2: the last bit in use is one, and all behind it are zero.
    unused = octets[0]
    if unused > 7 or octets[-1] & (2 << unused) - 1 != 1 << unused:
        raise errors.MalformedDER
    usage = 0
    for i in range(8 * (len(octets) - 1)):
        if octets[1 + i // 8] & 0x80 >> i % 8:
            usage |= 1 << i
    return usage


def _ext_key_usage(value) -> None:
    purposes = single(value)
    check_oid(purposes.value(_OID))
    while purposes.peek() >= 0:
        check_oid(purposes.value(_OID))


def _key_id(value) -> None:
    reader = Reader(value)
    reader.octets(1, _MAX_KEY_ID)
    reader.end()


def _authority_key_id(value) -> None:
    """[0] keyIdentifier, [1] authorityCertIssuer, [2] authorityCertSerialNumber, all optional."""
    sequence = single(value)
    if sequence.peek() == _CONTEXT:
        sequence.octets(1, _MAX_KEY_ID, _CONTEXT)
    if sequence.peek() == _CONTEXT | _CONSTRUCTED | 1:
        _general_names(sequence.enter(_CONTEXT | _CONSTRUCTED | 1))
        sequence.integer(_CONTEXT | 2)
    sequence.end()


def _subject_alt_name(value) -> None:
    _general_names(single(value))


def _general_names(reader: Reader) -> None:
    _general_name(reader)
    while reader.peek() >= 0:
        _general_name(reader)


def _general_name(reader: Reader) -> None:
    """One GeneralName (RFC 5280 section 4.2.1.6): the right form for its tag."""
    tag = reader.peek()
    number = tag & 0x1F
    constructed = _CONSTRUCTED if number in (0, 3, 4, 5) else 0
    if tag < 0 or number > 8 or tag != _CONTEXT | constructed | number:
        raise errors.MalformedDER
    value = reader.value(tag)
    if number == 0:
        _other_name(Reader(value))
    elif number in (3, 5):  # x400Address, ediPartyName
        raise errors.UnsupportedCertificate("general name")
    elif number in (1, 2, 6):
        x501.check_string(_IA5_STRING, value)
    elif number == 4:
        x501.check(value)
    elif number == 7 and len(value) not in (4, 16):
        raise errors.MalformedDER
    elif number == 8:
        check_oid(value)


def _other_name(reader: Reader) -> None:
    """A type and, in an explicit tag, one element of that type."""
    check_oid(reader.value(_OID))
    explicit = reader.enter(_CONTEXT | _CONSTRUCTED)
    reader.end()
    explicit.value()
    explicit.end()


def _null(value) -> None:
    if value != b"\x05\x00":
        raise errors.MalformedDER


_KNOWN = {
    BASIC_CONSTRAINTS: basic_constraints,
    KEY_USAGE: key_usage,
    EXT_KEY_USAGE: _ext_key_usage,
    SUBJECT_ALT_NAME: _subject_alt_name,
    _SUBJECT_KEY_ID: _key_id,
    _AUTHORITY_KEY_ID: _authority_key_id,
    _NO_REV_AVAIL: _null,
}


def check(kind: bytes, value) -> None:
    """Raise unless the value of an extension, if it is a known one, is well-formed."""
    check_oid(kind)
    if kind in _KNOWN:
        _KNOWN[kind](value)
