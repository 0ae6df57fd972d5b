"""Read P-256 keys and ECDSA signatures as X.509 writes them (RFC 5480, RFC 5758)."""

from . import errors
from .der import single

ECDSA_SHA256 = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
EC_KEY = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"

_OID = 0x06


def parse(algorithm, bits):
    """Return the p256.PublicKey of a SubjectPublicKeyInfo that holds no RSA key.

    Args:
        algorithm: its AlgorithmIdentifier, DER.
        bits: the bytes of its key.

    Raises: MalformedDER or UnsupportedKey.
    """
    if algorithm != EC_KEY:
        single(algorithm).value(_OID)  # is it malformed, or only of another kind?
        raise errors.UnsupportedKey("neither RSA nor P-256")
    # One after the other: an import within an import takes stack, and a board has little of it.
    from . import p256_curve, p256_table, p256  # noqa: F401, I001

    return p256.from_point(bits)


def coordinates(point) -> tuple:
    """Return (x, y) of an uncompressed point, 65 bytes (SEC 1 section 2.3.3).

    Raises: UnsupportedKey for any other encoding, and for a point that is not on P-256
        (FIPS 186-4 section D.1.2.3).
    """
    if len(point) != 65 or point[0] != 4:
        raise errors.UnsupportedKey("no uncompressed P-256 point")
    x = int.from_bytes(point[1:33], "big")
    y = int.from_bytes(point[33:], "big")
    check_point(x, y)
    return x, y


def check_point(x: int, y: int) -> None:
    """Check that the point (x, y) is on P-256. Raises: UnsupportedKey."""
    p = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    if not (0 <= x < p and 0 <= y < p) or ((x * x - 3) * x + b - y * y) % p:
        raise errors.UnsupportedKey("no point on P-256")
