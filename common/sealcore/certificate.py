"""The frame of an X.509 certificate (RFC 5280 section 4.1), strictly read.

Here is what `x509` (any certificate) and `seal` (the exact profile) share. Names, the subject's key
and the extensions' values are left to them: each checks whole what it lets in.
"""

from . import errors, keys, utctime
from .compat import const
from .der import single

_BOOLEAN = const(0x01)
_OCTET_STRING = const(0x04)
_OID = const(0x06)
_SEQUENCE = const(0x30)
_ISSUER_ID = const(0x81)
_SUBJECT_ID = const(0x82)
_VERSION = const(0xA0)
_EXTENSIONS = const(0xA3)
_V3 = const(3)
_MAX_SERIAL_OCTETS = const(20)  # RFC 5280 section 4.1.2.2


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
    """

    def __init__(self, der):
        self.der = der
        outer = single(der)
        self.tbs = outer.element(_SEQUENCE)
        self.algorithm = keys.read_algorithm(outer)
        self.signature = outer.bits()
        outer.end()
        tbs = single(self.tbs)
        self.version = 1  # the DEFAULT, which is never written
        if tbs.peek() == _VERSION:
            version = tbs.enter(_VERSION)
            self.version += version.unsigned(1, 2)
            version.end()
        start = tbs.at
        self.serial = tbs.integer()
        if tbs.at - start > 2 + _MAX_SERIAL_OCTETS:
            raise errors.UnsupportedCertificate("serial number")
        if tbs.element() != self.algorithm:
            raise errors.MalformedDER
        self.issuer = tbs.element(_SEQUENCE)
        validity = tbs.enter()
        self.not_before = utctime.read(validity)
        self.not_after = utctime.read(validity)
        validity.end()
        self.subject = tbs.element(_SEQUENCE)
        self.spki = tbs.element(_SEQUENCE)
        if tbs.peek() in (_ISSUER_ID, _SUBJECT_ID):  # RFC 5280 section 4.1.2.8: no CA may use them
            raise errors.UnsupportedCertificate("unique identifiers")
        if self.version == _V3 and tbs.peek() >= 0:
            explicit = tbs.enter(_EXTENSIONS)
            reader = explicit.enter()
            explicit.end()
            self._read_extension(reader)  # there is one at least
            while reader.peek() >= 0:
                self._read_extension(reader)
        tbs.end()

    def _read_extension(self, reader) -> None:
        item = reader.enter()
        kind = item.value(_OID)
        critical = item.peek() == _BOOLEAN
        if critical and item.value() != b"\xff":  # FALSE is the DEFAULT, which is never written
            raise errors.MalformedDER
        value = item.value(_OCTET_STRING)
        item.end()
        self.on_extension(bytes(kind), critical, value)

    def check_time(self, now: int) -> None:
        """Raises NotYetValid or Expired; both ends of the validity count as valid."""
        if now < self.not_before:
            raise errors.NotYetValid("valid from %d, now %d" % (self.not_before, now))
        if now > self.not_after:
            raise errors.Expired("valid to %d, now %d" % (self.not_after, now))
