"""P-256 private keys: ECDSA signatures with nonces by RFC 6979; making and storing keys (RFC 5915).

The point operations are the same, in the same order, for every key and nonce, and inversions go by
fixed exponents. The integers beneath are Python's, whose time depends on their values. So this
resists an attacker who sees which operations run, but not one who measures the time of each.
"""

from . import encode, errors
from .compat import const, modpow, sha256
from .der import single
from .p256 import PublicKey
from .p256_base import BASE
from .p256_curve import N, P, columns, combine

_PRIME256V1 = b"\x2a\x86\x48\xce\x3d\x03\x01\x07"
_TRIES = const(8)  # one attempt fails with a probability of 2^-32


class PrivateKey:
    """A P-256 private key: its number d."""

    def __init__(self, d: int):
        if not 1 <= d < N:
            raise errors.UnsupportedKey("P-256 private key")
        self._d = d

    def public_key(self) -> PublicKey:
        """Return the p256.PublicKey that verifies what this key signs."""
        x, y, zz, zzz = combine(((columns(self._d), BASE),))
        return PublicKey(x * modpow(zz, P - 2, P) % P, y * modpow(zzz, P - 2, P) % P)

    def sign(self, message) -> bytes:
        """Return a DER ECDSA-Sig-Value over the SHA-256 of `message`; the same for the same message
        (RFC 6979)."""
        digest = sha256(message)
        nonces = _nonces(self._d, digest)
        while True:
            k = next(nonces)
            x, _, zz, _ = combine(((columns(k), BASE),))
            r = x * modpow(zz, P - 2, P) % P % N
            s = modpow(k, N - 2, N) * (int.from_bytes(digest, "big") + r * self._d) % N
            if r and s:  # pragma: no branch - else with a chance of 2^-255
                return encode.sequence(encode.integer(r), encode.integer(s))

    def sec1(self) -> bytes:
        """Return the ECPrivateKey (RFC 5915), with curve and public key, which mbedTLS and OpenSSL
        read."""
        return encode.sequence(
            encode.integer(1),
            encode.octets(self._d.to_bytes(32, "big")),
            encode.explicit(0, encode.oid(_PRIME256V1)),
            encode.explicit(1, encode.bits(self.public_key().point())),
        )


def from_sec1(der) -> PrivateKey:
    """Return the key in an ECPrivateKey as `sec1` writes it.

    Args:
        der: the ECPrivateKey.

    Raises: MalformedDER, or UnsupportedKey if curve or public key are missing or do not match.
    """
    fields = single(der)
    fields.unsigned(1, 1)
    key = PrivateKey(int.from_bytes(fields.octets(32, 32), "big"))
    while fields.peek() >= 0:
        fields.element()
    if key.sec1() != bytes(der):
        raise errors.UnsupportedKey("P-256 private key")
    return key


def generate(random) -> PrivateKey:
    """Return a new PrivateKey.

    Args:
        random: random(n) returns n bytes that nobody can guess, as os.urandom does.
    """
    for _ in range(_TRIES):
        d = int.from_bytes(random(32), "big")
        if 1 <= d < N:
            return PrivateKey(d)
    raise errors.UnsupportedKey("the random source is broken")


def _nonces(d: int, digest: bytes):
    """Yield the candidates for k (RFC 6979 section 3.2), each within 1..N-1."""
    seed = d.to_bytes(32, "big") + (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    v = b"\x01" * 32
    key = b"\x00" * 32
    for separator in (b"\x00", b"\x01"):
        key = _hmac(key, v + separator + seed)
        v = _hmac(key, v)
    while True:
        v = _hmac(key, v)
        k = int.from_bytes(v, "big")
        if 1 <= k < N:  # pragma: no branch - else with a chance of 2^-32
            yield k
        key = _hmac(key, v + b"\x00")
        v = _hmac(key, v)


def _hmac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA-256 (RFC 2104) with a key of 32 bytes; MicroPython has no hmac."""
    inner = bytes([byte ^ 0x36 for byte in key]) + b"\x36" * 32
    outer = bytes([byte ^ 0x5C for byte in key]) + b"\x5c" * 32
    return sha256(outer + sha256(inner + message))
