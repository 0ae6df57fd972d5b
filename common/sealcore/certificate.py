"""Read the frame of an X.509 certificate (RFC 5280 section 4.1) strictly.

`x509` (any certificate) and `seal` (the exact profile) share this module. It leaves names, the
subject's key and the extensions to them, and each of them checks all of what it accepts.
"""

from . import errors, utctime
from .compat import const, sha256
from .der import single

_SEQUENCE = const(0x30)
_VERSION = const(0xA0)


def split(data):
    """Split SEQUENCE { tbs, algorithm, signature BIT STRING }, the frame of everything that is
    signed.

    Args:
        data: the DER of the whole structure.

    Returns: (tbs, algorithm, signature); only the frame is checked. Raises: MalformedDER.
    """
    outer = single(data)
    parts = outer.element(_SEQUENCE), outer.element(_SEQUENCE), outer.bits()
    outer.end()
    return parts


class Certificate:
    """A parsed certificate. That it parses does not mean that it can be trusted.

    der         the certificate itself
    tbs         its signed part, DER
    version     1, 2 or 3
    serial      int; RFC 5280 section 4.1.2.2 asks readers to accept negative ones and zero
    issuer      Name, DER
    subject     Name, DER
    not_before  Unix seconds, the first at which it is valid
    not_after   Unix seconds, the last at which it is valid
    spki        SubjectPublicKeyInfo, DER
    algorithm   the signature's AlgorithmIdentifier, DER
    digest      SHA-256 of the signed part
    signature   the bytes of the signature

    The method `read` of a subclass reads what follows the subject's key.
    """

    if False:  # what a subclass has, for mypy alone: it compiles to nothing

        def read(self, reader) -> None: ...  # type: ignore[unreachable]

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
