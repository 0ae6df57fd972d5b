"""The frame of an X.509 certificate (RFC 5280 section 4.1), strictly read.

Here is what `x509` (any certificate) and `seal` (the exact profile) share. Names, the subject's key
and what follows it are left to them: each checks whole what it lets in.
"""

from . import errors, utctime
from .compat import const, sha256
from .der import single

_SEQUENCE = const(0x30)
_VERSION = const(0xA0)


def split(data):
    """The parts of SEQUENCE { tbs, algorithm, signature BIT STRING }, which all signed things are.

    Returns (tbs, algorithm, signature); nothing is looked at but the frame.
    """
    outer = single(data)
    parts = outer.element(_SEQUENCE), outer.element(_SEQUENCE), outer.bits()
    outer.end()
    return parts


class Certificate:
    """A parsed certificate. Being parsed says nothing about being trusted.

    der         the certificate itself
    tbs         its signed part, DER
    version     1, 2 or 3
    serial      int; RFC 5280 has readers bear non-positive ones
    issuer      Name, DER
    subject     Name, DER
    not_before  Unix seconds, the first at which it is valid
    not_after   Unix seconds, the last at which it is valid
    spki        SubjectPublicKeyInfo, DER
    algorithm   the signature's AlgorithmIdentifier, DER
    digest      SHA-256 of the signed part
    signature   the signature's octets

    What follows the subject's key is for the method `read` of a subclass.
    """

    def __init__(self, der):
        self.der = der
        self.tbs, self.algorithm, self.signature = split(der)
        self.digest = sha256(self.tbs)
        tbs = single(self.tbs)
        self.version = 1  # the DEFAULT, which is never written
        if tbs.peek() == _VERSION:
            version = tbs.enter(_VERSION)
            self.version += version.unsigned(1, 2)
            version.end()
        self.serial = tbs.integer()
        if tbs.element() != self.algorithm:
            raise errors.MalformedDER
        self.issuer = tbs.element(_SEQUENCE)
        validity = tbs.enter()
        self.not_before = utctime.read(validity)
        self.not_after = utctime.read(validity)
        validity.end()
        self.subject = tbs.element(_SEQUENCE)
        self.spki = tbs.element(_SEQUENCE)
        self.read(tbs)
        tbs.end()
