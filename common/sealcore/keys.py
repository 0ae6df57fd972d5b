"""Public keys and signature algorithms as X.509 writes them (RFC 3279, RFC 4055, RFC 5480)."""

from . import errors, rsa
from .compat import const
from .der import single

# Whole AlgorithmIdentifiers: with them goes the one form of parameters that each may have.
RSA_SHA256 = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"
ECDSA_SHA256 = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
RSA_KEY = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
P256_KEY = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"

_OID = const(0x06)
_SEQUENCE = const(0x30)
_POINT_OCTETS = const(65)
_UNCOMPRESSED = const(4)


def read_algorithm(reader):
    """Read a signature's AlgorithmIdentifier: RSA_SHA256 or ECDSA_SHA256.

    Raises UnsupportedCertificate for any other.
    """
    algorithm = reader.element(_SEQUENCE)
    if algorithm != RSA_SHA256 and algorithm != ECDSA_SHA256:
        single(algorithm).value(_OID)  # malformed, or merely another one?
        raise errors.UnsupportedCertificate("signature algorithm")
    return algorithm


def parse(spki):
    """The public key in a SubjectPublicKeyInfo: rsa.PublicKey or p256.PublicKey.

    Raises MalformedDER or UnsupportedKey.
    """
    outer = single(spki)
    algorithm = outer.element()
    bits = outer.bits()
    outer.end()
    if algorithm == RSA_KEY:
        numbers = single(bits)
        n = numbers.integer()
        e = numbers.integer()
        numbers.end()
        return rsa.PublicKey(n, e)
    if algorithm == P256_KEY and len(bits) == _POINT_OCTETS and bits[0] == _UNCOMPRESSED:
        from . import p256  # where all keys are RSA, it is never loaded

        x = int.from_bytes(bits[1:33], "big")
        return p256.PublicKey(x, int.from_bytes(bits[33:], "big"))
    single(algorithm).value(_OID)  # malformed, or merely another kind?
    raise errors.UnsupportedKey("neither RSA nor an uncompressed P-256 point")


def verify(key, algorithm, message, signature) -> None:
    """Raises BadSignature unless `signature`, said to be of `algorithm`, is the key's."""
    if algorithm != (RSA_SHA256 if isinstance(key, rsa.PublicKey) else ECDSA_SHA256):
        raise errors.BadSignature("algorithm")
    key.verify(message, signature)


def verify_any(entries, algorithm, message, signature) -> None:
    """Raises BadSignature unless the signature is of one of the keys of `entries`.

    Args:
        entries: sequence of (name, SubjectPublicKeyInfo), both DER.
    """
    for _, spki in entries:
        try:
            return verify(parse(spki), algorithm, message, signature)
        except errors.BadSignature:
            continue
    raise errors.BadSignature("of none of the trusted keys")
