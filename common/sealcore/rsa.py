"""RSA signatures: PKCS #1 v1.5 with SHA-256 (RFC 8017 section 8.2.2), 2048 to 4096 bits."""

from .compat import bit_length, const, modpow, sha256
from .errors import BadSignature, UnsupportedKey

_MIN_BITS = const(2048)
_MAX_BITS = const(4096)
_MAX_EXPONENT_BITS = const(256)  # FIPS 186-5 section A.1.1

# DigestInfo of a SHA-256 hash up to the hash itself (RFC 8017 section 9.2, note 1).
_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


class PublicKey:
    """An RSA public key: modulus n, exponent e."""

    def __init__(self, n: int, e: int):
        if n < 0 or not _MIN_BITS <= bit_length(n) <= _MAX_BITS or not n & 1:
            raise UnsupportedKey("RSA modulus")
        if e < 3 or not e & 1 or bit_length(e) > _MAX_EXPONENT_BITS:
            raise UnsupportedKey("RSA exponent")
        self.n = n
        self.e = e

    def verify(self, message, signature) -> None:
        """Raises BadSignature unless `signature` is this key's over `message`.

        The encoded message is rebuilt and compared whole: parsing it is how forgeries with small
        exponents pass.
        """
        size = (bit_length(self.n) + 7) // 8
        if len(signature) != size:
            raise BadSignature("length")
        number = int.from_bytes(signature, "big")
        if number >= self.n:
            raise BadSignature("range")
        tail = _DIGEST_INFO + sha256(message)
        expected = b"\x00\x01" + b"\xff" * (size - 3 - len(tail)) + b"\x00" + tail
        if modpow(number, self.e, self.n) != int.from_bytes(expected, "big"):
            raise BadSignature("RSA")
