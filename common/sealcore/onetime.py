"""One-time tokens: how a board that comes from a production line proves which node it is to be.

The token lies in the image that was flashed; it is the seed of a P-256 key, with which the board
signs its certification request. So the token itself is never sent, what is sent serves no other
request, and the public half, which is all that the site keeps, lets nobody in who reads it there.
"""

from . import p256, p256_sign
from .compat import sha256
from .errors import UnsupportedKey

OCTETS = 16

# What one key or another is made of or signs can't be taken for anything else.
_SEED = b"triseal token v1"
_SIGNED = b"triseal enrol v1"


def key(token: bytes) -> p256_sign.PrivateKey:
    """The key of a token; raises UnsupportedKey for what is none."""
    if len(token) != OCTETS:
        raise UnsupportedKey("one-time token")
    return p256_sign.PrivateKey(int.from_bytes(sha256(_SEED + token), "big"))


def prove(token: bytes, request: bytes) -> bytes:
    """The proof for this request (PKCS #10, DER) that its sender has the token."""
    return key(token).sign(_SIGNED + request)


def check(point: bytes, request: bytes, proof: bytes) -> None:
    """Raises BadSignature unless who made the proof for this request had the token.

    Args:
        point: public half of the token's key, uncompressed.
    """
    p256.from_point(point).verify(_SIGNED + request, proof)
