"""P-256 keys and ECDSA signatures as X.509 writes them (RFC 5480, RFC 5758)."""

from . import errors
from .der import single

ECDSA_SHA256 = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
EC_KEY = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"

_OID = 0x06


def parse(algorithm, bits):
    """The key in the two parts of a SubjectPublicKeyInfo that is not RSA's.

    Raises MalformedDER or UnsupportedKey.
    """
    if algorithm != EC_KEY:
        single(algorithm).value(_OID)  # malformed, or merely another kind?
        raise errors.UnsupportedKey("neither RSA nor P-256")
    # One after the other: each import within another takes stack, of which a board has little.
    from . import p256_curve, p256_table, p256  # noqa: F401, I001

    return p256.from_point(bits)
