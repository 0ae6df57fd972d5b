"""Certification requests (PKCS #10, RFC 2986): how a node asks for its certificate."""

from . import encode, keys

_VERSION_1 = b"\x02\x01\x00"
_NO_ATTRIBUTES = b"\xa0\x00"


def spki(point: bytes) -> bytes:
    """The SubjectPublicKeyInfo of an uncompressed P-256 point."""
    return encode.sequence(keys.P256_KEY, encode.bits(point))


def build(subject: bytes, point: bytes, sign) -> bytes:
    """A request for a P-256 key, DER.

    Args:
        subject: the name that it asks for, DER.
        point: the public key, uncompressed, 65 octets.
        sign: sign(message) returns the DER ECDSA signature by that key.
    """
    info = encode.sequence(_VERSION_1, subject, spki(point), _NO_ATTRIBUTES)
    return encode.sequence(info, keys.ECDSA_SHA256, encode.bits(sign(info)))
