"""Signed time: the time that the site has signed for one nonce, which the node drew just before.

SignedTime ::= SEQUENCE { tbs TBSTime, signatureAlgorithm AlgorithmIdentifier,
                          signature BIT STRING }
TBSTime    ::= SEQUENCE { label UTF8String ("triseal time v1"), site UTF8String,
                          nonce OCTET STRING (SIZE(16)), time INTEGER }     -- Unix seconds
"""

from . import encode, errors, keys
from .certificate import split
from .compat import const, sha256
from .der import single

LABEL = const("triseal time v1")

_MAX_TIME = const(253402300799)  # 9999-12-31T23:59:59Z


def tbs(site: str, nonce: bytes, now: int) -> bytes:
    """Return the bytes that the site signs.

    Args:
        site: the site's name.
        nonce: 16 bytes.
        now: Unix seconds.
    """
    return encode.sequence(
        encode.text(LABEL), encode.text(site), encode.octets(nonce), encode.integer(now)
    )


def read(der, site_keys, site: str, nonce) -> int:
    """Return the time, in Unix seconds, that one of the site's keys signed for this nonce.

    Args:
        der: a SignedTime.
        site_keys: the (name, SubjectPublicKeyInfo) pairs of a trust bundle, both DER.
        site: the site's name.
        nonce: the one that the node drew, 16 bytes.

    Raises: MalformedDER, BadSignature, UntrustedSigner, WrongSite, or BadMessage for another nonce,
        which means that somebody replays an old answer.
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
