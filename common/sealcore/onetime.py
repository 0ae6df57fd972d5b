"""One-time tokens: how a board from a production line proves which node it must become.

The token lies in the image that was flashed. It is the seed of a P-256 key, and the board signs its
certification request with this key. So the token itself is never sent, and a proof is valid for
no other request. The site keeps only the public half of the key, which lets nobody in who reads it.
"""

from . import p256, p256_sign
from .compat import sha256
from .errors import UnsupportedKey

OCTETS = 16

# Labels, so that neither a seed nor a signed text can be taken for anything else.
_SEED = b"triseal token v1"
_SIGNED = b"triseal enrol v1"


def key(token: bytes) -> p256_sign.PrivateKey:
    """Return the private key of a token, 16 bytes. Raises: UnsupportedKey if it makes no key."""
    if len(token) != OCTETS:
        raise UnsupportedKey("one-time token")
    return p256_sign.PrivateKey(int.from_bytes(sha256(_SEED + token), "big"))


def prove(token: bytes, request: bytes) -> bytes:
    """Return the proof that the sender of a request has the token.

    Args:
        token: 16 bytes.
        request: PKCS #10, DER.
    """
    return key(token).sign(_SIGNED + request)


def check(point: bytes, request: bytes, proof: bytes) -> None:
    """Check that the maker of a proof for this request had the token.

    Args:
        point: public half of the token's key, uncompressed, 65 bytes.
        request: PKCS #10, DER.
        proof: what `prove` returned.

    Raises: BadSignature.
    """
    p256.from_point(point).verify(_SIGNED + request, proof)
