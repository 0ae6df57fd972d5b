"""Settings of one node, signed by its site.

Settings    ::= SEQUENCE { tbs TBSSettings, signatureAlgorithm AlgorithmIdentifier,
                           signature BIT STRING }
TBSSettings ::= SEQUENCE { label UTF8String ("triseal settings v1"), version INTEGER,
                           site UTF8String, node UTF8String, issuedAt INTEGER,   -- Unix seconds
                           values OCTET STRING (SIZE(2..4096)) }                 -- a JSON object
"""

from . import encode, errors, keys
from .certificate import split
from .compat import const, sha256
from .der import single

LABEL = const("triseal settings v1")

_MAX_TIME = const(253402300799)
_MAX_VERSION = const(0x7FFFFFFF)
_MOST = const(4096)


def tbs(site: str, node: str, version: int, now: int, values: bytes) -> bytes:
    """Return the bytes that the site signs.

    Args:
        site: the site's name.
        node: the node's name.
        version: 1 or more.
        now: Unix seconds.
        values: a JSON object, 2 to 4096 bytes.
    """
    if not 2 <= len(values) <= _MOST:
        raise errors.TooLarge("%d bytes of settings" % len(values))
    return encode.sequence(
        encode.text(LABEL),
        encode.integer(version),
        encode.text(site),
        encode.text(node),
        encode.integer(now),
        encode.octets(values),
    )


def read(der, site_keys, site: str, node: str, had: int) -> tuple:
    """Return (version, issued at, values) of settings that one of the site's keys has signed.

    Args:
        der: Settings.
        site_keys: the (name, SubjectPublicKeyInfo) pairs of a trust bundle, both DER.
        site: the site's name.
        node: the node's name.
        had: the version that the node has; the new one must be higher.

    Raises: MalformedDER, BadSignature, UntrustedSigner, WrongSite, WrongNode, or Rollback.
    """
    body, algorithm, signature = split(der)
    keys.verify_any(site_keys, algorithm, sha256(body), signature)
    reader = single(body)
    if reader.text(1, 63) != LABEL:
        raise errors.MalformedDER
    version = reader.unsigned(1, _MAX_VERSION)
    named = reader.text(1, 63)
    if named != site:
        raise errors.WrongSite(named)
    named = reader.text(1, 63)
    if named != node:
        raise errors.WrongNode(named)
    issued = reader.unsigned(0, _MAX_TIME)
    values = bytes(reader.octets(2, _MOST))
    reader.end()
    if version <= had:
        raise errors.Rollback("settings %d, had %d" % (version, had))
    return version, issued, values
