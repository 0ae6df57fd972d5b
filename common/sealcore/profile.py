"""The extensions of Triseal's end-entity certificates, each of which has one exact form.

A certificate of the profile holds nothing that the profile does not name. So most of it is compared
rather than parsed, and two certificates can be compared as a whole.
"""

from . import errors, names
from .compat import const
from .der import Reader, single

_V3 = const(3)
# Whole AlgorithmIdentifiers, the same as in `rsa`, `keys` and `eckeys`
_RSA_SHA256 = const(b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00")
_ECDSA_SHA256 = const(b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02")
_RSA_KEY = const(b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00")
# All of a P-256 key up to its coordinates, its length included.
_EC_KEY = const(
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04"
)
_OID = const(0x06)
_OCTET_STRING = const(0x04)
_EXTENSIONS = const(0xA3)
_URI = const(0x86)  # GeneralName uniformResourceIdentifier
_MAX_URI = const(256)
_KEY_ID_OCTETS = const(33)
_SUBJECT_ALT_NAME = const(b"\x55\x1d\x11")
# 2.25.328739721842243933527932212422477103568.1
_SERVICE_SEAL = const(
    b"\x69\x83\xee\xd0\xfb\xea\x9b\xf8\xda\x92\xeb\xae\x80\x92\xa7\xb6\xff\xc1\x83\x50\x01"
)
# Whole Extensions: keyUsage with digitalSignature and basicConstraints without CA, both critical;
# extKeyUsage with codeSigning, or with serverAuth and clientAuth; noRevAvail.
_NO_CA = const(
    b"\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80"
    b"\x30\x0c\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00"
)
_CODE_SIGNING = const(
    b"\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x03"
)
_TLS_BOTH_SIDES = const(
    b"\x30\x1d\x06\x03\x55\x1d\x25\x04\x16\x30\x14"
    b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
)
_NO_REV_AVAIL = const(b"\x30\x09\x06\x03\x55\x1d\x38\x04\x02\x05\x00")
# authorityKeyIdentifier up to the identifier of 20 bytes; the extension is optional.
_KEY_ID = const(b"\x30\x1f\x06\x03\x55\x1d\x23\x04\x18\x30\x16\x80\x14")


def check(cert) -> str:
    """Check everything in front of the extensions of a certificate of the profile.

    Of the key it checks the form only: the code that uses the key, or has it in a trust bundle,
    reads its numbers.

    Args:
        cert: a certificate.Certificate.

    Returns: the text of its subject, which is one common name, like its issuer. Raises:
        ProfileViolation, MalformedDER or UnsupportedKey.
    """
    # A serial number has 16 bytes: the first is not zero, and its top bit is clear.
    if cert.version != _V3 or not 0 < cert.serial >> 120 < 0x80:
        raise errors.ProfileViolation
    if cert.algorithm not in (_RSA_SHA256, _ECDSA_SHA256):
        raise errors.ProfileViolation
    if cert.spki[:27] != _EC_KEY:
        key = single(cert.spki)
        if key.element() != _RSA_KEY:
            raise errors.UnsupportedKey
        key.bits()
        key.end()
    names.common_name(cert.issuer)
    return names.common_name(cert.subject)


def read(reader, service: bool, uri: bool) -> tuple:
    """Read the extensions of a certificate: all that the profile demands, and no other.

    Args:
        reader: the `der.Reader` that a Certificate hands to its method `read`.
        service: whether it is a seal of a service.
        uri: whether it names a place: a node, the SLSM, or a service on a node.

    Returns: (the URI or "", the ServiceSeal or None). Raises: MalformedDER or ProfileViolation.
    """
    due = _NO_CA + (_TLS_BOTH_SIDES if uri else _CODE_SIGNING)
    keys = []
    if service:
        keys.append(_SERVICE_SEAL)
    if uri:
        keys.append(_SUBJECT_ALT_NAME)
        if service:
            due += _NO_REV_AVAIL
    explicit = reader.enter(_EXTENSIONS)
    extensions = explicit.enter()
    explicit.end()
    found = _read(extensions, due, keys)
    text = ""
    if uri:
        names = single(found[_SUBJECT_ALT_NAME])
        text = names.text(1, _MAX_URI, _URI)
        names.end()
        if len(text.encode()) != len(text):  # an IA5String is ASCII
            raise errors.MalformedDER
    return text, found.get(_SERVICE_SEAL)


def _read(reader, der: bytes, keys: list) -> dict:
    """Return {key: the DER inside} of the extensions in `keys`, which are not critical; all others
    must be those in `der`, each of them once."""
    missing = []
    expected = Reader(der)
    while expected.peek() >= 0:
        missing.append(expected.element())
    found = {}
    key_id = _KEY_ID
    while reader.peek() >= 0:
        extension = reader.element()
        if extension in missing:
            missing.remove(extension)
        elif len(extension) == _KEY_ID_OCTETS and extension[:13] == key_id:
            key_id = None  # once
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
