"""Build certification requests (PKCS #10, RFC 2986), by which a node asks for its certificate."""

from . import eckeys, encode

_VERSION_1 = b"\x02\x01\x00"
_COMMON_NAME = b"\x55\x04\x03"
_NO_ATTRIBUTES = b"\xa0\x00"


def spki(point: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo, DER, of a P-256 point (RFC 5480).

    Args:
        point: uncompressed, 65 bytes.
    """
    return encode.sequence(eckeys.EC_KEY, encode.bits(point))


def build(name: str, point: bytes, sign) -> bytes:
    """Build a request for a P-256 key (RFC 2986 section 4).

    Args:
        name: the common name that it asks for.
        point: the public key, uncompressed, 65 bytes.
        sign: sign(message) returns the DER ECDSA signature by that key.

    Returns: the request, DER.
    """
    attribute = encode.sequence(encode.oid(_COMMON_NAME), encode.text(name))
    subject = encode.sequence(encode.set_of(attribute))
    info = encode.sequence(_VERSION_1, subject, spki(point), _NO_ATTRIBUTES)
    return encode.sequence(info, eckeys.ECDSA_SHA256, encode.bits(sign(info)))
