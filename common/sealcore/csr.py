"""Certification requests (PKCS #10, RFC 2986): how a node asks for its certificate."""

from . import eckeys, encode

_VERSION_1 = b"\x02\x01\x00"
_COMMON_NAME = b"\x55\x04\x03"
_NO_ATTRIBUTES = b"\xa0\x00"


def spki(point: bytes) -> bytes:
    """The SubjectPublicKeyInfo of an uncompressed P-256 point."""
    return encode.sequence(eckeys.EC_KEY, encode.bits(point))


def build(name: str, point: bytes, sign) -> bytes:
    """A request for a P-256 key, DER.

    Args:
        name: the common name that it asks for.
        point: the public key, uncompressed, 65 octets.
        sign: sign(message) returns the DER ECDSA signature by that key.
    """
    attribute = encode.sequence(encode.oid(_COMMON_NAME), encode.text(name))
    subject = encode.sequence(encode.set_of(attribute))
    info = encode.sequence(_VERSION_1, subject, spki(point), _NO_ATTRIBUTES)
    return encode.sequence(info, eckeys.ECDSA_SHA256, encode.bits(sign(info)))
