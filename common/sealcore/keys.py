"""Public keys and signature algorithms as X.509 writes them (RFC 3279, RFC 4055, RFC 5480)."""

from . import encode, rsa
from .compat import const
from .der import Reader, single
from .errors import BadSignature, UnsupportedCertificate, UnsupportedKey

# Whole AlgorithmIdentifiers: with them goes the one form of parameters that each may have.
RSA_SHA256 = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"
ECDSA_SHA256 = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
_RSA_KEY = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
_P256_KEY = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"

_MAX_SPKI = const(1024)  # RSA-4096 with a 256-bit exponent takes 582


def read_algorithm(reader: Reader) -> bytes:
    """A signature's AlgorithmIdentifier, one of RSA_SHA256 and ECDSA_SHA256."""
    algorithm = bytes(reader.element())
    if algorithm not in (RSA_SHA256, ECDSA_SHA256):
        inner = single(algorithm)  # tell the malformed from the merely unsupported
        inner.oid()
        if inner.peek() >= 0:
            inner.element()
        inner.end()
        raise UnsupportedCertificate("signature algorithm")
    return algorithm


def parse(spki):
    """The public key in a SubjectPublicKeyInfo: rsa.PublicKey or p256.PublicKey."""
    if len(spki) > _MAX_SPKI:
        raise UnsupportedKey("size")
    outer = single(spki)
    algorithm = bytes(outer.element())
    bits = outer.bits()
    outer.end()
    if algorithm == _RSA_KEY:
        return _parse_rsa(bits)
    if algorithm == _P256_KEY:
        return _parse_p256(bits)
    inner = single(algorithm)
    inner.oid()
    raise UnsupportedKey("algorithm")


def _parse_rsa(bits):
    numbers = single(bits)
    n = numbers.integer()
    e = numbers.integer()
    numbers.end()
    return rsa.PublicKey(n, e)


def _parse_p256(bits):
    from . import p256  # a site that uses RSA alone never loads it

    if len(bits) != 65 or bits[0] != 4:
        raise UnsupportedKey("only uncompressed P-256 points")
    return p256.PublicKey(int.from_bytes(bits[1:33], "big"), int.from_bytes(bits[33:], "big"))


def spki(key) -> bytes:
    """The SubjectPublicKeyInfo of a public key."""
    if isinstance(key, rsa.PublicKey):
        numbers = encode.sequence(encode.integer(key.n), encode.integer(key.e))
        return encode.sequence(_RSA_KEY, encode.bits(numbers))
    point = b"\x04" + key.x.to_bytes(32, "big") + key.y.to_bytes(32, "big")
    return encode.sequence(_P256_KEY, encode.bits(point))


def algorithm_of(key) -> bytes:
    """The AlgorithmIdentifier of the signatures that this key's owner makes."""
    return RSA_SHA256 if isinstance(key, rsa.PublicKey) else ECDSA_SHA256


def verify(key, algorithm: bytes, message, signature) -> None:
    """Raises BadSignature unless `signature`, said to be of `algorithm`, is the key's."""
    if algorithm != algorithm_of(key):
        raise BadSignature("the key is of another algorithm")
    key.verify(message, signature)


class KeyEntry:
    """A name and the public key that somebody trusts for it: `name` and `spki` are DER.

    The key is built on demand: a bundle may name many keys, and a check needs three.
    """

    def __init__(self, name: bytes, spki: bytes):
        self.name = name
        self.spki = spki

    def verify(self, algorithm: bytes, message, signature) -> None:
        """Raises BadSignature unless the signature is this entry's key's."""
        verify(parse(self.spki), algorithm, message, signature)
