"""Signing keys: what a developer, a Store and a site sign with.

Everything that signs asks for a `Signer` only, so that a key may live in a file today and in a
hardware security module tomorrow.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from sealcore import eckeys, limits

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
ALGORITHMS = ("rsa2048", "rsa3072", "rsa4096", "p256")


class Signer(Protocol):
    """Something that signs with one private key, SHA-256 inside."""

    @property
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo of the key, DER."""
        ...

    @property
    def algorithm(self) -> bytes:
        """AlgorithmIdentifier of its signatures, DER."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over `message` as X.509 wants it."""
        ...


class KeySigner:
    """A `Signer` over a key in this process's memory.

    Args:
        key: an RSA or P-256 private key.
    """

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.spki: bytes = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.algorithm: bytes = (
            limits.RSA_SHA256 if isinstance(key, rsa.RSAPrivateKey) else eckeys.ECDSA_SHA256
        )

    def sign(self, message: bytes) -> bytes:
        """PKCS #1 v1.5 or DER ECDSA signature over SHA-256 of `message`."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))


def generate(algorithm: str) -> PrivateKey:
    """A fresh private key; `algorithm` is one of ALGORITHMS, else ValueError."""
    if algorithm == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm in ALGORITHMS:
        return rsa.generate_private_key(public_exponent=65537, key_size=int(algorithm[3:]))
    raise ValueError(f"no such algorithm: {algorithm}")
