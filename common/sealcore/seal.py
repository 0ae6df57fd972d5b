"""The three seals of a service: a ProfileCertificate with a ServiceSeal extension."""

from . import errors, names
from .compat import const
from .der import single
from .profile import TLS_BOTH_SIDES, ProfileCertificate

DEVELOPER = const(0)
STORE = const(1)
SITE = const(2)
ROLES = ("developer seal", "Store seal", "site seal")

MAX_SIZE = const(4096)
MAX_EXECUTABLE = const(16777216)
MAX_VERSION_TEXT = const(32)
MAX_SECURITY_VERSION = const(2147483647)
MAX_GRANTS = const(64)
MAX_GRANT = const(128)

NO_REV_AVAIL = b"\x55\x1d\x38"  # RFC 9608
NO_REVOCATION = b"\x05\x00"
CODE_SIGNING = b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x03"
# 2.25.328739721842243933527932212422477103568.1
SERVICE_SEAL = (
    b"\x69\x83\xee\xd0\xfb\xea\x9b\xf8\xda\x92\xeb\xae\x80\x92\xa7\xb6\xff\xc1\x83\x50\x01"
)
PREDECESSOR = const(0x80)
GRANTS = const(0xA1)

_SUBJECT_ALT_NAME = b"\x55\x1d\x11"
_SHORTEST_SERIAL = 1 << 120  # 16 octets: the first is not zero, ...
_LONGEST_SERIAL = 1 << 127  # ... and its top bit is clear


class Seal(ProfileCertificate):
    """One seal that fits the profile. Only `custody` says whether it is to be believed.

    role               DEVELOPER, STORE or SITE
    service            the service's name
    core               the DER of what must be equal in all three seals of a service
    executable_hash    SHA-256, 32 octets
    executable_size    octets
    metadata_hash      SHA-256, 32 octets
    service_version    for people, e.g. "1.2.0"
    security_version   int, never goes down on a node
    predecessor        SHA-256 of the seal before this one; None in a developer seal
    grants             tuple of str; empty but in a site seal
    and what a ProfileCertificate has.
    """

    def __init__(self, der, role: int):
        self.role = role
        self.predecessor = None
        self.grants = ()
        due = {SERVICE_SEAL: None}
        if role == SITE:
            due[_SUBJECT_ALT_NAME] = None
            due[NO_REV_AVAIL] = NO_REVOCATION
        ProfileCertificate.__init__(self, der, TLS_BOTH_SIDES if role == SITE else CODE_SIGNING, due)
        names.common_name(self.issuer)
        self.service = names.check_label(names.common_name(self.subject))
        if not _SHORTEST_SERIAL <= self.serial < _LONGEST_SERIAL:
            raise errors.ProfileViolation("serial number")

    def on_extension(self, kind: bytes, critical: bool, value) -> None:
        ProfileCertificate.on_extension(self, kind, critical, value)
        if kind == SERVICE_SEAL:
            self._read(single(value))

    def _read(self, body) -> None:
        body.unsigned(1, 1)  # version
        self.executable_hash = body.octets(32, 32)
        self.executable_size = body.unsigned(1, MAX_EXECUTABLE)
        self.metadata_hash = body.octets(32, 32)
        self.service_version = body.text(1, MAX_VERSION_TEXT)
        self.security_version = body.unsigned(0, MAX_SECURITY_VERSION)
        self.core = body.data[: body.at]
        if self.role != DEVELOPER:
            self.predecessor = body.octets(32, 32, PREDECESSOR)
        if self.role == SITE:
            granted = body.enter(GRANTS)
            while granted.peek() >= 0:
                self.grants += (granted.text(1, MAX_GRANT),)
                if len(self.grants) > MAX_GRANTS:
                    raise errors.TooLarge("grants")
        body.end()


def parse(der, role: int) -> Seal:
    """Parse a seal in the role where it stands.

    Raises TooLarge, MalformedDER, UnsupportedCertificate or ProfileViolation.
    """
    if len(der) > MAX_SIZE:
        raise errors.TooLarge("seal")
    return Seal(der, role)
