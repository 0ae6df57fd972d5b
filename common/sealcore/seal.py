"""The three seals of a service: certificates of the profile with a ServiceSeal extension."""

from . import errors, names, profile
from .certificate import Certificate
from .compat import const
from .der import single

DEVELOPER = const(0)
STORE = const(1)
SITE = const(2)
ROLES = ("developer_seal", "store_seal", "site_seal")

# Public in `limits`, for those who write: here each would take 50 octets of a board's heap.
_MAX_SIZE = const(4096)
_MAX_EXECUTABLE = const(16777216)
_MAX_VERSION_TEXT = const(32)
_MAX_SECURITY_VERSION = const(2147483647)
_MAX_GRANTS = const(64)
_MAX_GRANT = const(128)
_PREDECESSOR = const(0x80)
_GRANTS = const(0xA1)
_V3 = const(3)


class Seal(Certificate):
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
    uri                SPIFFE ID; "" but in a site seal
    and what a Certificate has.
    """

    def __init__(self, der, role: int):
        if len(der) > _MAX_SIZE:
            raise errors.TooLarge(ROLES[role])
        self.role = role
        Certificate.__init__(self, der)
        names.common_name(self.issuer)
        self.service = names.check_label(names.common_name(self.subject))
        # 16 octets: the first is not zero, and its top bit is clear.
        if self.version != _V3 or not 0 < self.serial >> 120 < 0x80:
            raise errors.ProfileViolation

    def read(self, reader) -> None:
        # 2.25.328739721842243933527932212422477103568.1
        kind = (
            b"\x69\x83\xee\xd0\xfb\xea\x9b\xf8\xda\x92\xeb\xae\x80\x92\xa7\xb6\xff\xc1\x83\x50\x01"
        )
        if self.role == SITE:
            found = profile.read(
                reader,
                profile.TLS_BOTH_SIDES + b"\x30\x09\x06\x03\x55\x1d\x38\x04\x02\x05\x00",
                (kind, profile.SUBJECT_ALT_NAME),
            )
            self.uri = profile.uri(found[profile.SUBJECT_ALT_NAME])
        else:
            found = profile.read(
                reader,
                b"\x30\x13\x06\x03\x55\x1d\x25\x04\x0c"
                b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x03",
                (kind,),
            )
            self.uri = ""
        reader = single(found[kind])
        reader.unsigned(1, 1)  # version
        self.executable_hash = reader.octets(32, 32)
        self.executable_size = reader.unsigned(1, _MAX_EXECUTABLE)
        self.metadata_hash = reader.octets(32, 32)
        self.service_version = reader.text(1, _MAX_VERSION_TEXT)
        self.security_version = reader.unsigned(0, _MAX_SECURITY_VERSION)
        self.core = reader.data[: reader.pos]
        self.predecessor = None
        if self.role != DEVELOPER:
            self.predecessor = reader.octets(32, 32, _PREDECESSOR)
        grants = []
        if self.role == SITE:
            granted = reader.enter(_GRANTS)
            while granted.peek() >= 0:
                if len(grants) == _MAX_GRANTS:
                    raise errors.TooLarge
                grants.append(granted.text(1, _MAX_GRANT))
        self.grants = tuple(grants)
        reader.end()


parse = Seal
