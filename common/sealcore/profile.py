"""The extensions that Triseal's end-entity certificates have, each in one exact form.

A certificate of the profile holds nothing that the profile does not name. So most of it is read by
comparing rather than by parsing, and two can be held against each other whole.
"""

from . import errors
from .compat import const
from .der import Reader, single

_OID = const(0x06)
_OCTET_STRING = const(0x04)
_EXTENSIONS = const(0xA3)
_URI = const(0x86)  # GeneralName uniformResourceIdentifier
_MAX_URI = const(256)

SUBJECT_ALT_NAME = b"\x55\x1d\x11"
_KEY_ID_OCTETS = const(33)

# Whole Extension: extKeyUsage with serverAuth and clientAuth.
TLS_BOTH_SIDES = (
    b"\x30\x1d\x06\x03\x55\x1d\x25\x04\x16\x30\x14"
    b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
)


def read(reader, der: bytes, keys: tuple) -> dict:
    """Read a certificate's extensions: those in `der`, those of `keys`, a key identifier perhaps.

    Args:
        reader: the `der.Reader` that a Certificate hands to its method `read`.
        der: whole Extensions, DER, one after the other.
        keys: encoded object identifiers of extensions that are not critical.

    Returns: {key: the DER inside}. Raises: MalformedDER or ProfileViolation.
    """
    explicit = reader.enter(_EXTENSIONS)
    extensions = explicit.enter()
    explicit.end()
    missing = []
    # keyUsage with digitalSignature and basicConstraints without CA, both critical
    reader = Reader(
        b"\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80"
        b"\x30\x0c\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00" + der
    )
    while reader.peek() >= 0:
        missing.append(reader.element())
    found = {}
    # authorityKeyIdentifier up to the 20 octets of the identifier
    key_id = b"\x30\x1f\x06\x03\x55\x1d\x23\x04\x18\x30\x16\x80\x14"
    while extensions.peek() >= 0:
        extension = extensions.element()
        if extension in missing:
            missing.remove(extension)
        elif len(extension) == _KEY_ID_OCTETS and extension[:13] == key_id:
            key_id = None
        else:
            item = single(extension)
            kind = bytes(item.value(_OID))
            if kind not in keys or kind in found or item.peek() != _OCTET_STRING:
                raise errors.ProfileViolation(kind.hex())
            found[kind] = item.value(_OCTET_STRING)
            item.end()
    if missing or len(found) < len(keys):
        raise errors.ProfileViolation
    return found


def uri(value) -> str:
    """The one name in a subjectAltName (DER): a URI."""
    names = single(value)
    text = names.text(1, _MAX_URI, _URI)
    names.end()
    if len(text.encode()) != len(text):  # an IA5String is ASCII
        raise errors.MalformedDER
    return text
