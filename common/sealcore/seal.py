"""The three seals of a service, and the profile that a certificate must fit to be one.

A seal holds nothing that the profile does not name, so two seals can be compared whole.
"""

from . import encode, extensions, names, profile, x509
from .compat import const
from .der import CONSTRUCTED, CONTEXT, single
from .errors import ProfileViolation, TooLarge

DEVELOPER = const(0)
STORE = const(1)
SITE = const(2)

MAX_SIZE = const(4096)
MAX_EXECUTABLE = const(16777216)
MAX_METADATA = const(8192)
MAX_VERSION_TEXT = const(32)
MAX_SECURITY_VERSION = const(2147483647)
MAX_GRANTS = const(64)
MAX_GRANT = const(128)

_VERSION = const(1)
_HASH = const(32)
_PREDECESSOR = const(CONTEXT | 0)
_GRANTS = const(CONTEXT | CONSTRUCTED | 1)
_MIN_SERIAL = 1 << 120  # 16 octets: the first is not zero ...
_MAX_SERIAL = (1 << 127) - 1  # ... and its top bit is clear

# 2.25.328739721842243933527932212422477103568.1
SERVICE_SEAL = (
    b"\x69\x83\xee\xd0\xfb\xea\x9b\xf8\xda\x92\xeb\xae\x80\x92\xa7\xb6\xff\xc1\x83\x50\x01"
)

_DUE = (
    ((extensions.EXT_KEY_USAGE, profile.CODE_SIGNING), (SERVICE_SEAL, None)),
    ((extensions.EXT_KEY_USAGE, profile.CODE_SIGNING), (SERVICE_SEAL, None)),
    (
        (extensions.EXT_KEY_USAGE, profile.TLS_BOTH_SIDES),
        (extensions.SUBJECT_ALT_NAME, None),
        (extensions.NO_REV_AVAIL, profile.NO_REVOCATION),
        (SERVICE_SEAL, None),
    ),
)


class Seal:
    """One seal that fits the profile. Only `custody` says whether it is to be believed.

    role               DEVELOPER, STORE or SITE
    certificate        the x509.Certificate that it is
    service            the service's name
    core               the DER of what must be equal in all three seals of a service
    executable_hash    SHA-256, 32 octets
    executable_size    octets
    metadata_hash      SHA-256, 32 octets
    service_version    for people, e.g. "1.2.0"
    security_version   int, never goes down on a node
    predecessor        SHA-256 of the seal before this one; b"" in a developer seal
    grants             tuple of str; empty but in a site seal
    """

    def __init__(self, certificate: x509.Certificate, role: int):
        self.role = role
        self.certificate = certificate
        self.service = names.check_label(names.common_name(certificate.subject))
        if not _MIN_SERIAL <= certificate.serial <= _MAX_SERIAL:
            raise ProfileViolation("a serial number has 16 octets")
        profile.check_extensions(certificate, _DUE[role])
        self._read(single(certificate.extensions[SERVICE_SEAL].value))

    def _read(self, body: Reader) -> None:
        body.unsigned(_VERSION, _VERSION)
        self.executable_hash = bytes(body.octets(_HASH, _HASH))
        self.executable_size = body.unsigned(1, MAX_EXECUTABLE)
        self.metadata_hash = bytes(body.octets(_HASH, _HASH))
        self.service_version = body.text(1, MAX_VERSION_TEXT)
        self.security_version = body.unsigned(0, MAX_SECURITY_VERSION)
        self.core = encode_core(
            self.executable_hash,
            self.executable_size,
            self.metadata_hash,
            self.service_version,
            self.security_version,
        )
        self.predecessor = b""
        self.grants = ()
        if self.role != DEVELOPER:
            self.predecessor = bytes(body.octets(_HASH, _HASH, _PREDECESSOR))
        if self.role == SITE:
            self.grants = _read_grants(body.enter(_GRANTS))
        body.end()


def parse(der, role: int) -> Seal:
    """Parse a seal in the role where it stands.

    Raises TooLarge, MalformedDER, UnsupportedCertificate or ProfileViolation.
    """
    if len(der) > MAX_SIZE:
        raise TooLarge("a seal has at most %d octets" % MAX_SIZE)
    return Seal(x509.parse(der), role)


def _read_grants(reader) -> tuple:
    grants = []
    while reader.peek() >= 0:
        if len(grants) == MAX_GRANTS:
            raise TooLarge("a seal has at most %d grants" % MAX_GRANTS)
        grants.append(reader.text(1, MAX_GRANT))
    return tuple(grants)


def encode_core(
    executable_hash: bytes,
    executable_size: int,
    metadata_hash: bytes,
    service_version: str,
    security_version: int,
) -> bytes:
    """The DER of the ServiceSeal fields that are equal in all three seals."""
    return (
        encode.integer(_VERSION)
        + encode.octets(executable_hash)
        + encode.integer(executable_size)
        + encode.octets(metadata_hash)
        + encode.text(service_version)
        + encode.integer(security_version)
    )


def encode_service_seal(core: bytes, predecessor: bytes = b"", grants=None) -> bytes:
    """The value of a ServiceSeal extension.

    Args:
        core: from `encode_core` or a Seal.
        predecessor: SHA-256 of the seal before this one; b"" for a developer seal.
        grants: sequence of str for a site seal, else None.
    """
    parts = [core]
    if predecessor:
        parts.append(encode.octets(predecessor, _PREDECESSOR))
    if grants is not None:
        parts.append(encode.element(_GRANTS, *[encode.text(grant) for grant in grants]))
    return encode.sequence(*parts)
