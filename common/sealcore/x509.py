"""X.509 certificates (RFC 5280): strict parsing, and the check of one under its direct issuer."""

from . import extensions, keys, names, utctime
from .compat import const
from .der import CONSTRUCTED, CONTEXT, SEQUENCE, Reader, single
from .errors import (
    Expired,
    MalformedDER,
    NotAuthority,
    NotYetValid,
    UnknownCriticalExtension,
    UnsupportedCertificate,
)

MAX_SIZE = const(16384)

_MAX_SERIAL_OCTETS = const(20)  # RFC 5280 section 4.1.2.2

# Critical extensions that check_issued weighs or hands on as parsed; any other is refused.
_UNDERSTOOD = (
    extensions.BASIC_CONSTRAINTS,
    extensions.KEY_USAGE,
    extensions.EXT_KEY_USAGE,
    extensions.SUBJECT_ALT_NAME,
)


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
    public_key  rsa.PublicKey or p256.PublicKey
    extensions  {encoded object identifier: extensions.Extension}
    algorithm   the signature's AlgorithmIdentifier, DER
    signature   the signature's octets
    """

    def __init__(self, der):
        self.der = der
        outer = single(der)
        self.tbs = _peel(outer)
        self.algorithm = keys.read_algorithm(outer)
        self.signature = outer.bits()
        outer.end()
        tbs = single(self.tbs)
        self.version = _read_version(tbs)
        self.serial = _read_serial(tbs)
        if tbs.element() != self.algorithm:
            raise MalformedDER("inner and outer algorithm differ")
        self.issuer = _read_name(tbs)
        self._read_validity(tbs.enter())
        self.subject = _read_name(tbs)
        self.spki = bytes(_peel(tbs))
        self.public_key = keys.parse(self.spki)
        self._read_unique_ids(tbs)
        self.extensions = self._read_extensions(tbs)
        tbs.end()
        if single(self.issuer).peek() < 0:  # RFC 5280 section 4.1.2.4
            raise UnsupportedCertificate("empty issuer")

    def _read_validity(self, validity: Reader) -> None:
        self.not_before = utctime.read(validity)
        self.not_after = utctime.read(validity)
        validity.end()

    def _read_unique_ids(self, tbs: Reader) -> None:
        for number in (1, 2):
            if self.version >= 2 and tbs.peek() == CONTEXT | number:
                tbs.any_bits(CONTEXT | number)

    def _read_extensions(self, tbs: Reader) -> dict:
        if self.version < 3 or tbs.peek() < 0:
            return {}
        explicit = tbs.enter(CONTEXT | CONSTRUCTED | 3)
        found = extensions.read(explicit)
        explicit.end()
        extensions.check_known(found)
        return found

    def check_time(self, now: int) -> None:
        """Raises Expired or NotYetValid; both ends of the validity count as valid."""
        if now < self.not_before:
            raise NotYetValid("valid from " + utctime.iso(self.not_before))
        if now > self.not_after:
            raise Expired("valid until " + utctime.iso(self.not_after))

    def check_signed_by(self, key) -> None:
        """Raises BadSignature unless `key`, a public key, made the signature."""
        keys.verify(key, self.algorithm, self.tbs, self.signature)


def _peel(reader: Reader):
    """The next element whole; it must be a SEQUENCE."""
    if reader.peek() != SEQUENCE:
        raise MalformedDER("expected a SEQUENCE")
    return reader.element()


def _read_version(tbs: Reader) -> int:
    if tbs.peek() != CONTEXT | CONSTRUCTED:
        return 1
    explicit = tbs.enter(CONTEXT | CONSTRUCTED)
    version = explicit.unsigned(1, 2)  # v1 is the DEFAULT and never written
    explicit.end()
    return version + 1


def _read_serial(tbs: Reader) -> int:
    element = tbs.element()
    if len(element) > 2 + _MAX_SERIAL_OCTETS:
        raise UnsupportedCertificate("serial number of more than 20 octets")
    return Reader(element).integer()


def _read_name(tbs: Reader) -> bytes:
    name = bytes(_peel(tbs))
    names.check(name)
    return name


def parse(der) -> Certificate:
    """Parse one certificate; raises MalformedDER or UnsupportedCertificate."""
    if len(der) > MAX_SIZE:
        raise UnsupportedCertificate("size")
    return Certificate(der)


def check_issued(cert: Certificate, issuer: Certificate, now: int) -> None:
    """Raise unless `issuer`, a CA, issued `cert` and both are valid at `now` (Unix seconds).

    RFC 5280 section 6.1.3 (a) and 6.1.4 (a, k, n, o) for a direct issuer: names, signature, both
    validity periods, CA flag and key usage, unknown critical extensions. A path length bounds
    intermediate certificates, of which there is none here. Extended key usage and subject
    alternative names are parsed for the caller, who knows what it needs them for.
    """
    names.check_match(cert.issuer, issuer.subject)
    for one in (issuer, cert):
        one.check_time(now)
        _check_critical(one)
    _check_authority(issuer)
    cert.check_signed_by(issuer.public_key)


def _check_critical(cert: Certificate) -> None:
    for kind in cert.extensions:
        if cert.extensions[kind].critical and kind not in _UNDERSTOOD:
            raise UnknownCriticalExtension("object identifier " + kind.hex())


def _check_authority(issuer: Certificate) -> None:
    found = issuer.extensions
    constraints = found.get(extensions.BASIC_CONSTRAINTS)
    if constraints is None or extensions.basic_constraints(constraints.value) < 0:
        raise NotAuthority("the CA flag is not set")
    usage = found.get(extensions.KEY_USAGE)
    if usage and not extensions.key_usage(usage.value) & extensions.KEY_CERT_SIGN:
        raise NotAuthority("the key may not sign certificates")
