"""Signed time: the site's word on the time, for one nonce that the node has just drawn.

SignedTime ::= SEQUENCE { tbs TBSTime, signatureAlgorithm AlgorithmIdentifier,
                          signature BIT STRING }
TBSTime    ::= SEQUENCE { label UTF8String ("triseal time v1"), site UTF8String,
                          nonce OCTET STRING (SIZE(16)), time INTEGER }     -- Unix seconds
"""

from . import encode, errors, keys
from .certificate import split
from .compat import const, sha256
from .der import single

LABEL = "triseal time v1"

_MAX_TIME = const(253402300799)  # 9999-12-31T23:59:59Z


def tbs(site: str, nonce: bytes, now: int) -> bytes:
    """What the site signs."""
    return encode.sequence(
        encode.text(LABEL), encode.text(site), encode.octets(nonce), encode.integer(now)
    )


def read(der, site_keys, site: str, nonce) -> int:
    """The time, in Unix seconds, that one of the site's keys signed for this nonce.

    Raises MalformedDER, BadSignature, WrongSite, or
    BadMessage where the nonce is another: somebody plays back an old answer.
    """
    body, algorithm, signature = split(der)
    keys.verify_any(site_keys, algorithm, sha256(body), signature)
    reader = single(body)
    if reader.text(1, 63) != LABEL:
        raise errors.MalformedDER
    named = reader.text(1, 63)
    if named != site:
        raise errors.WrongSite(named)
    if reader.octets(16, 16) != nonce:
        raise errors.BadMessage("nonce")
    now = reader.unsigned(0, _MAX_TIME)
    reader.end()
    return now
