"""Any X.509 certificate (RFC 5280): strict parsing, and the check under its direct issuer."""

from . import certificate, eckeys, errors, extensions, keys, rsa, x501
from .compat import const
from .der import single

MAX_SIZE = const(16384)

_BOOLEAN = const(0x01)
_BIT_STRING = const(0x03)
_OCTET_STRING = const(0x04)
_OID = const(0x06)
_ISSUER_ID = const(0x81)
_SUBJECT_ID = const(0x82)
_EXTENSIONS = const(0xA3)
_V3 = const(3)
_MAX_EXTENSIONS = const(32)
_NAME_CONSTRAINTS = b"\x55\x1d\x1e"
_BEYOND_SERIAL = 1 << 159  # 20 bytes (RFC 5280 section 4.1.2.2)

# Critical extensions that check_issued checks or hands on as parsed; it refuses any other.
_UNDERSTOOD = (
    extensions.BASIC_CONSTRAINTS,
    extensions.KEY_USAGE,
    extensions.EXT_KEY_USAGE,
    extensions.SUBJECT_ALT_NAME,
)


class Certificate(certificate.Certificate):
    """A parsed certificate. That it parses does not mean that it can be trusted. It has everything
    that a certificate.Certificate has, and

    public_key  rsa.PublicKey or p256.PublicKey
    extensions  {encoded object identifier: (critical, the DER inside)}
    """

    def __init__(self, der):
        self.extensions = {}
        certificate.Certificate.__init__(self, der)
        if self.algorithm not in (rsa.PublicKey.algorithm, eckeys.ECDSA_SHA256):
            single(self.algorithm).value(_OID)  # is it malformed, or only of another kind?
            raise errors.UnsupportedCertificate("signature algorithm")
        if not -_BEYOND_SERIAL <= self.serial < _BEYOND_SERIAL:
            raise errors.UnsupportedCertificate("serial number")
        self.issuer = bytes(self.issuer)
        self.subject = bytes(self.subject)
        x501.check(self.issuer)
        x501.check(self.subject)
        if len(self.issuer) == 2:  # RFC 5280 section 4.1.2.4
            raise errors.UnsupportedCertificate("empty issuer")
        try:
            self.public_key = keys.parse(self.spki)
        except errors.UnsupportedKey as error:
            raise errors.UnsupportedCertificate(*error.args)

    def read(self, reader) -> None:
        """Read what follows the subject's key, from the `der.Reader` that is `reader`."""
        for tag in (_ISSUER_ID, _SUBJECT_ID):
            # RFC 5280 section 4.1.2.8: they must be parsed, and are not used.
            if self.version > 1 and reader.peek() == tag:
                x501.check_string(_BIT_STRING, reader.value(tag))
        if self.version == _V3 and reader.peek() >= 0:
            explicit = reader.enter(_EXTENSIONS)
            items = explicit.enter()
            explicit.end()
            self._read_extension(items)  # there is one at least
            while items.peek() >= 0:
                self._read_extension(items)

    def _read_extension(self, items) -> None:
        item = items.enter()
        kind = bytes(item.value(_OID))
        critical = item.peek() == _BOOLEAN
        if critical and item.value() != b"\xff":  # FALSE is the DEFAULT, which is never written
            raise errors.MalformedDER
        value = item.value(_OCTET_STRING)
        item.end()
        extensions.check(kind, value)
        if kind in self.extensions:
            raise errors.MalformedDER
        if len(self.extensions) == _MAX_EXTENSIONS:
            raise errors.UnsupportedCertificate("extensions")
        self.extensions[kind] = (critical, value)


def parse(der) -> Certificate:
    """Parse one certificate.

    Args:
        der: the certificate, and nothing after it.

    Raises: MalformedDER or UnsupportedCertificate.
    """
    if len(der) > MAX_SIZE:
        raise errors.UnsupportedCertificate("size")
    return Certificate(der)


def check_issued(cert: Certificate, issuer: Certificate, now: int) -> None:
    """Check that a CA issued a certificate and that both are valid.

    These are the rules of RFC 5280 sections 6.1.3 (a) and 6.1.4 (a, g, k, n, o) for a direct
    issuer: names, signature, both validity periods, CA flag and key usage, unknown critical
    extensions. A path length bounds intermediate certificates, and there is none here. Extended key
    usage and subject alternative names are parsed for the caller, who knows which of them it needs.

    Args:
        cert: the certificate.
        issuer: the CA's certificate.
        now: Unix seconds.

    Raises: NameMismatch, BadSignature, Expired, NotYetValid, NotAuthority or
    UnknownCriticalExtension.
    """
    x501.check_match(cert.issuer, issuer.subject)
    for one in (issuer, cert):
        keys.check_time(one, now)
        _check_critical(one)
    _check_authority(issuer)
    _check_subject(cert)
    keys.verify(issuer.public_key, cert.algorithm, cert.digest, cert.signature)


def _check_critical(cert: Certificate) -> None:
    for kind, (critical, _) in cert.extensions.items():
        if critical and kind not in _UNDERSTOOD:
            raise errors.UnknownCriticalExtension(kind.hex())


def _is_authority(cert: Certificate) -> bool:
    found = cert.extensions.get(extensions.BASIC_CONSTRAINTS)
    return found is not None and extensions.basic_constraints(found[1]) >= 0


def _signs_certificates(cert: Certificate, default: bool) -> bool:
    """Return what keyUsage says about signing certificates, or the default if there is
    no keyUsage."""
    found = cert.extensions.get(extensions.KEY_USAGE)
    if found is None:
        return default
    return extensions.key_usage(found[1]) & extensions.KEY_CERT_SIGN != 0


def _check_authority(issuer: Certificate) -> None:
    if not _is_authority(issuer):
        raise errors.NotAuthority("the CA flag is not set")
    if not _signs_certificates(issuer, True):
        raise errors.NotAuthority("the key may not sign certificates")
    # They have to be critical. If they are not, they bind all the same (section 6.1.4 g).
    if _NAME_CONSTRAINTS in issuer.extensions:
        raise errors.UnsupportedCertificate("name constraints")


def _check_subject(cert: Certificate) -> None:
    """Check two claims that a certificate must not make and that no later check would find."""
    if _signs_certificates(cert, False) and not _is_authority(cert):  # section 4.2.1.3
        raise errors.NotAuthority("a key that signs certificates, and no CA flag")
    names = cert.extensions.get(extensions.SUBJECT_ALT_NAME, (False, b""))
    if len(cert.subject) == 2 and not names[0]:  # sections 4.1.2.6 and 4.2.1.6
        raise errors.UnsupportedCertificate("no subject, and no critical subjectAltName")
