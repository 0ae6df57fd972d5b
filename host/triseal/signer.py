"""Signing keys of developers, Stores and sites.

All code that signs needs only a `Signer`. A key may be in a file today, and in a hardware security
module later.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from sealcore import eckeys, limits
from triseal import openssl
from triseal.choices import ALGORITHMS

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

openssl.install()  # a process that has keys also verifies, and often many signatures


class Signer(Protocol):
    """An object that signs with one private key, with SHA-256."""

    @property
    def spki(self) -> bytes:
        """Public key, DER SubjectPublicKeyInfo."""
        ...

    @property
    def algorithm(self) -> bytes:
        """AlgorithmIdentifier of its signatures, DER."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Sign a message in the form of X.509 (RFC 5280 section 4.1.1.3).

        Args:
            message: the bytes to sign.
        """
        ...


class KeySigner:
    """A `Signer` with a key in the memory of this process.

    Args:
        key: a private key, RSA or P-256.

    Attributes:
        spki: public key, DER SubjectPublicKeyInfo.
        algorithm: AlgorithmIdentifier of its signatures, DER.
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
        """Sign SHA-256 of a message: PKCS #1 v1.5 (RFC 8017) or ECDSA in DER (RFC 3279).

        Args:
            message: the bytes to sign.
        """
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))


def algorithm_of(spki: bytes) -> str:
    """Return which of ALGORITHMS makes a key like another one.

    Args:
        spki: the public key, DER SubjectPublicKeyInfo.

    Returns: one of them; that of the next larger size if a token made a key of an unusual one.
    """
    key = serialization.load_der_public_key(spki)
    if not isinstance(key, rsa.RSAPublicKey):
        return "p256"
    sizes = sorted(int(name[3:]) for name in ALGORITHMS if name.startswith("rsa"))
    return f"rsa{next((size for size in sizes if size >= key.key_size), sizes[-1])}"


def generate(algorithm: str) -> PrivateKey:
    """Generate a private key.

    Args:
        algorithm: one of ALGORITHMS.

    Raises:
        ValueError: there is no such algorithm.
    """
    if algorithm == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm in ALGORITHMS:
        return rsa.generate_private_key(public_exponent=65537, key_size=int(algorithm[3:]))
    raise ValueError(f"no such algorithm: {algorithm}")
