"""Verify RSA signatures: PKCS #1 v1.5 with SHA-256 (RFC 8017 section 8.2.2), 2048 to 4096 bits."""

from . import errors
from .compat import collect, const, modpow, sha256

_MIN_BITS = const(2048)
_MAX_BITS = const(4096)
_MAX_EXPONENT_BITS = const(256)  # FIPS 186-5 section A.1.1
# 0 on a board, where the compiler leaves out what asks for it. A host may put a faster verification
# here: `_native(key, digest, signature)` returns whether it accepts a signature whose form has been
# checked. Whatever it does not accept is decided by the arithmetic below.
_native = const(0)


class PublicKey:
    """An RSA public key: modulus n, exponent e. Raises: UnsupportedKey."""

    # The whole AlgorithmIdentifier of its signatures, with the only parameters that are allowed.
    algorithm = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"

    def __init__(self, n: int, e: int):
        if n < 0 or not n >> _MIN_BITS - 1 or n >> _MAX_BITS or not n & 1:
            raise errors.UnsupportedKey
        if e < 3 or not e & 1 or e >> _MAX_EXPONENT_BITS:
            raise errors.UnsupportedKey
        self.n = n
        self.e = e

    def verify(self, message, signature) -> None:
        """Check that a signature is this key's over a message.

        Args:
            message: bytes.
            signature: as long as the modulus.

        Raises: BadSignature.
        """
        self.verify_digest(sha256(message), signature)

    def verify_digest(self, digest, signature) -> None:
        """Check a signature over a message of which only the SHA-256 is at hand.

        The encoded message is built again and compared as a whole. Parsing it would let forgeries
        with small exponents pass.

        Args:
            digest: 32 bytes.
            signature: as long as the modulus.

        Raises: BadSignature.
        """
        size = _MIN_BITS // 8
        while self.n >> 8 * size:
            size += 1
        if len(signature) != size:  # before a number is made of input of any size
            raise errors.BadSignature
        collect()  # so that large numbers find long free pieces
        number = int.from_bytes(signature, "big")
        if number >= self.n:
            raise errors.BadSignature
        if _native and _native(self, digest, signature):  # type: ignore[operator] # a host's
            return
        number = modpow(number, self.e, self.n)  # first, while the heap is emptiest
        # DigestInfo of a SHA-256 hash (RFC 8017 section 9.2, note 1)
        info = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
        info += digest
        # 00 01 ff .. ff 00 info, as a number: building the bytes would need a KiB of heap.
        if int.from_bytes(info, "big") - (1 << 8 * len(info) + 8) + (1 << 8 * size - 15) != number:
            raise errors.BadSignature
