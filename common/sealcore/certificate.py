"""The frame of an X.509 certificate (RFC 5280 section 4.1), strictly read.

Here is what `x509` (any certificate) and `seal` (the exact profile) share. Names, the subject's key
and what follows it are left to them: each checks whole what it lets in.
"""

from . import errors, keys, utctime
from .compat import const
from .der import single

_SEQUENCE = const(0x30)
_VERSION = const(0xA0)


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
    signature   the signature's octets

    What follows the subject's key is for the method `read` of a subclass.
    """

    def __init__(self, der):
        self.der = der
        self.tbs, self.algorithm, self.signature = keys.split(der)
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

    def check_signed(self, entries, now: int) -> None:
        """Raise unless a key of the issuer's name signed it, and it is valid.

        Args:
            entries: (name, SubjectPublicKeyInfo) pairs of a trust bundle.
            now: Unix seconds.

        Raises: UntrustedSigner, BadSignature, NotYetValid or Expired.
        """
        keys.verify_any(entries, self.algorithm, self.tbs, self.signature, self.issuer)
        self.check_time(now)

    def check_time(self, now: int) -> None:
        """Raises NotYetValid or Expired; both ends of the validity count as valid."""
        if now < self.not_before:
            raise errors.NotYetValid
        if now > self.not_after:
            raise errors.Expired
