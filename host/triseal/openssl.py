"""Verification of signatures with OpenSSL, in place of the arithmetic of `sealcore`.

`sealcore` has checked the form of key and signature before, as strictly as a node does: lengths,
DER, ranges of numbers, exponents. OpenSSL only accepts a signature sooner. Whatever it does not
accept, or can't work with, `sealcore` decides by itself. `cryptography` is loaded at the first use.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from sealcore import p256 as plain_p256
from sealcore import rsa as plain_rsa

_KEYS = 256  # the few keys of a trust bundle, and those of nodes that have just connected

Verify = Callable[[bytes, bytes], None]


def install() -> None:
    """Let `sealcore` verify with OpenSSL in this process."""
    for module in (plain_rsa, plain_p256):
        vars(module)["_native"] = accepts


def accepts(
    key: plain_rsa.PublicKey | plain_p256.PublicKey, digest: bytes, signature: bytes
) -> bool:
    """Return whether OpenSSL accepts a signature.

    Args:
        key: the public key, of `sealcore`.
        digest: SHA-256 of what was signed.
        signature: its bytes; `sealcore` has checked their form.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        if isinstance(key, plain_rsa.PublicKey):
            _rsa(key.n, key.e)(bytes(digest), bytes(signature))
        else:
            _p256(key.x, key.y)(bytes(digest), bytes(signature))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


@functools.lru_cache(maxsize=_KEYS)
def _rsa(n: int, e: int) -> Verify:
    """Return a function that raises an error for what is not a signature of this key."""
    from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    key = rsa.RSAPublicNumbers(e, n).public_key()
    scheme, known = padding.PKCS1v15(), utils.Prehashed(SHA256())
    return lambda digest, signature: key.verify(signature, digest, scheme, known)


@functools.lru_cache(maxsize=_KEYS)
def _p256(x: int, y: int) -> Verify:
    """Return a function that raises an error for what is not a signature of this key."""
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    scheme = ec.ECDSA(utils.Prehashed(SHA256()))
    return lambda digest, signature: key.verify(signature, digest, scheme)
