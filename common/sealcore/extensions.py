"""Certificate extensions (RFC 5280 section 4.2): the list, and those that this verifier knows."""

from . import names
from .compat import const
from .der import CONSTRUCTED, CONTEXT, IA5_STRING, BOOLEAN, Reader, check_oid, single
from .errors import MalformedDER, UnsupportedCertificate

SUBJECT_KEY_ID = b"\x55\x1d\x0e"
KEY_USAGE = b"\x55\x1d\x0f"
SUBJECT_ALT_NAME = b"\x55\x1d\x11"
BASIC_CONSTRAINTS = b"\x55\x1d\x13"
AUTHORITY_KEY_ID = b"\x55\x1d\x23"
EXT_KEY_USAGE = b"\x55\x1d\x25"
NO_REV_AVAIL = b"\x55\x1d\x38"

KEY_CERT_SIGN = const(1 << 5)  # bit 5 of keyUsage

_MAX_EXTENSIONS = const(32)
_MAX_PATH_LENGTH = const(255)
_MAX_KEY_ID = const(64)


class Extension:
    """One extension: `critical`, and `value`, the DER inside the OCTET STRING."""

    def __init__(self, critical: bool, value):
        self.critical = critical
        self.value = value


def read(reader: Reader) -> dict:
    """Read an Extensions SEQUENCE: {encoded object identifier: Extension}, each well-formed."""
    found = {}
    sequence = reader.enter()
    while not found or sequence.peek() >= 0:
        item = sequence.enter()
        kind = item.oid()
        critical = item.peek() == BOOLEAN
        if critical and not item.boolean():
            raise MalformedDER("encoded default")
        if kind in found:
            raise MalformedDER("duplicate extension")
        found[kind] = Extension(critical, item.octets(0, 65535))
        item.end()
        if len(found) > _MAX_EXTENSIONS:
            raise UnsupportedCertificate("too many extensions")
    return found


def basic_constraints(value) -> int:
    """-1 for no CA; else the path length, or _MAX_PATH_LENGTH where there is no constraint."""
    sequence = single(value)
    authority = sequence.peek() == BOOLEAN
    if authority and not sequence.boolean():
        raise MalformedDER("encoded default")
    if sequence.peek() < 0:
        return _MAX_PATH_LENGTH if authority else -1
    length = sequence.unsigned(0, _MAX_PATH_LENGTH)
    sequence.end()
    if not authority:  # RFC 5280 section 4.2.1.9
        raise UnsupportedCertificate("path length without CA")
    return length


def key_usage(value) -> int:
    """The usage bits, bit 0 lowest; RFC 5280 section 4.2.1.3 wants at least one."""
    reader = Reader(value)
    usage = reader.named_bits()
    reader.end()
    if not usage:
        raise MalformedDER("empty key usage")
    return usage


def _ext_key_usage(value) -> None:
    purposes = single(value)
    purposes.oid()
    while purposes.peek() >= 0:
        purposes.oid()


def _key_id(value) -> None:
    reader = Reader(value)
    reader.octets(1, _MAX_KEY_ID)
    reader.end()


def _authority_key_id(value) -> None:
    """[0] keyIdentifier, [1] authorityCertIssuer, [2] authorityCertSerialNumber, all optional."""
    sequence = single(value)
    if sequence.peek() == CONTEXT:
        sequence.octets(1, _MAX_KEY_ID, CONTEXT)
    if sequence.peek() == CONTEXT | CONSTRUCTED | 1:
        _general_names(sequence.enter(CONTEXT | CONSTRUCTED | 1))
        sequence.integer(CONTEXT | 2)
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
    constructed = CONSTRUCTED if number in (0, 3, 4, 5) else 0
    if tag < 0 or number > 8 or tag != CONTEXT | constructed | number:
        raise MalformedDER("general name")
    value = reader.value(tag)
    if number in (1, 2, 6):
        names.check_string(IA5_STRING, value)
    elif number == 4:
        names.check(value)
    elif number == 7 and len(value) not in (4, 16):
        raise MalformedDER("IP address")
    elif number == 8:
        check_oid(value)


def _null(value) -> None:
    reader = Reader(value)
    reader.null()
    reader.end()


_KNOWN = {
    BASIC_CONSTRAINTS: basic_constraints,
    KEY_USAGE: key_usage,
    EXT_KEY_USAGE: _ext_key_usage,
    SUBJECT_ALT_NAME: _subject_alt_name,
    SUBJECT_KEY_ID: _key_id,
    AUTHORITY_KEY_ID: _authority_key_id,
    NO_REV_AVAIL: _null,
}


def check_known(extensions: dict) -> None:
    """The values of all known extensions are well-formed; raises MalformedDER."""
    for kind in extensions:
        if kind in _KNOWN:
            _KNOWN[kind](extensions[kind].value)
