"""Any X.509 certificate (RFC 5280): strict parsing, and the check under its direct issuer."""

from . import certificate, errors, extensions, keys, x501
from .compat import const

MAX_SIZE = const(16384)

_MAX_EXTENSIONS = const(32)

# Critical extensions that check_issued weighs or hands on as parsed; any other is refused.
_UNDERSTOOD = (
    extensions.BASIC_CONSTRAINTS,
    extensions.KEY_USAGE,
    extensions.EXT_KEY_USAGE,
    extensions.SUBJECT_ALT_NAME,
)


class Certificate(certificate.Certificate):
    """A parsed certificate; being parsed says nothing about being trusted.

    public_key  rsa.PublicKey or p256.PublicKey
    extensions  {encoded object identifier: (critical, the DER inside)}
    and what a certificate.Certificate has.
    """

    def __init__(self, der):
        self.extensions = {}
        certificate.Certificate.__init__(self, der)
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

    def on_extension(self, kind: bytes, critical: bool, value) -> None:
        extensions.check(kind, value)
        if kind in self.extensions:
            raise errors.MalformedDER
        if len(self.extensions) == _MAX_EXTENSIONS:
            raise errors.UnsupportedCertificate("extensions")
        self.extensions[kind] = (critical, value)


def parse(der) -> Certificate:
    """Parse one certificate; raises MalformedDER or UnsupportedCertificate."""
    if len(der) > MAX_SIZE:
        raise errors.UnsupportedCertificate("size")
    return Certificate(der)


def check_issued(cert: Certificate, issuer: Certificate, now: int) -> None:
    """Raise unless `issuer`, a CA, issued `cert` and both are valid at `now` (Unix seconds).

    RFC 5280 section 6.1.3 (a) and 6.1.4 (a, k, n, o) for a direct issuer: names, signature, both
    validity periods, CA flag and key usage, unknown critical extensions. A path length bounds
    intermediate certificates, of which there is none here. Extended key usage and subject
    alternative names are parsed for the caller, who knows what it needs them for.
    """
    x501.check_match(cert.issuer, issuer.subject)
    for one in (issuer, cert):
        one.check_time(now)
        _check_critical(one)
    _check_authority(issuer)
    keys.verify(issuer.public_key, cert.algorithm, cert.tbs, cert.signature)


def _check_critical(cert: Certificate) -> None:
    for kind, (critical, _) in cert.extensions.items():
        if critical and kind not in _UNDERSTOOD:
            raise errors.UnknownCriticalExtension(kind.hex())


def _check_authority(issuer: Certificate) -> None:
    found = issuer.extensions
    constraints = found.get(extensions.BASIC_CONSTRAINTS)
    if constraints is None or extensions.basic_constraints(constraints[1]) < 0:
        raise errors.NotAuthority("the CA flag is not set")
    usage = found.get(extensions.KEY_USAGE)
    if usage and not extensions.key_usage(usage[1]) & extensions.KEY_CERT_SIGN:
        raise errors.NotAuthority("the key may not sign certificates")
