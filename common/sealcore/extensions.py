"""Read the certificate extensions that `x509` uses (RFC 5280 section 4.2) strictly."""

from . import errors, generalnames
from .compat import const
from .der import Reader, single
from .x501 import check_oid

_BOOLEAN = const(0x01)
_BIT_STRING = const(0x03)
_OCTET_STRING = const(0x04)
_OID = const(0x06)
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
NO_PATH_LENGTH = const(256)  # longer than any path


def basic_constraints(value) -> int:
    """Read BasicConstraints (RFC 5280 section 4.2.1.9).

    Args:
        value: the DER inside the extension.

    Returns: -1 if the subject is no CA; else its path length, or NO_PATH_LENGTH if that is not
    limited.
    Raises: MalformedDER.
    """
    sequence = single(value)
    authority = sequence.peek() == _BOOLEAN
    if authority and sequence.value() != b"\xff":  # FALSE is the DEFAULT, which is never written
        raise errors.MalformedDER
    if sequence.peek() < 0:
        return NO_PATH_LENGTH if authority else -1
    length = sequence.integer()
    sequence.end()
    if length < 0:
        raise errors.MalformedDER
    if not authority or length >> 31:  # RFC 5280 section 4.2.1.9 for the first
        raise errors.UnsupportedCertificate("path length")
    return min(length, NO_PATH_LENGTH)


def named_bits(octets) -> None:
    """Check a named bit list (X.690 section 11.2.2): the last used bit is one, all bits after it
    are zero.

    Args:
        octets: of a BIT STRING, at least one.

    Raises: MalformedDER.
    """
    unused = octets[0]
    if len(octets) == 1:
        if unused:
            raise errors.MalformedDER
    elif unused > 7 or octets[-1] & (2 << unused) - 1 != 1 << unused:
        raise errors.MalformedDER


def key_usage(value) -> int:
    """Return the bits of KeyUsage, bit 0 lowest. RFC 5280 section 4.2.1.3 demands at least one.

    Args:
        value: the DER inside the extension.

    Raises: MalformedDER.
    """
    reader = Reader(value)
    octets = reader.octets(2, 3, _BIT_STRING)
    reader.end()
    named_bits(octets)
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
    reader.value(_OCTET_STRING)
    reader.end()


def _authority_key_id(value) -> None:
    """[0] keyIdentifier, [1] authorityCertIssuer, [2] authorityCertSerialNumber, all optional."""
    sequence = single(value)
    if sequence.peek() == _CONTEXT:
        sequence.value(_CONTEXT)
    if sequence.peek() == _CONTEXT | _CONSTRUCTED | 1:
        generalnames.read_all(sequence.enter(_CONTEXT | _CONSTRUCTED | 1))
        sequence.integer(_CONTEXT | 2)
    sequence.end()


def _subject_alt_name(value) -> None:
    generalnames.read_all(single(value))


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
    """Check that the value of a known extension is well-formed; other extensions pass.

    Args:
        kind: its object identifier, encoded.
        value: the DER inside the extension.

    Raises: MalformedDER.
    """
    check_oid(kind)
    if kind in _KNOWN:
        _KNOWN[kind](value)
    else:
        from . import otherextensions  # late, because it imports this module for `named_bits`

        otherextensions.check(kind, value)
