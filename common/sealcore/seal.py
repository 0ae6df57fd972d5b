"""The three seals of a service: certificates of the profile with a ServiceSeal extension.

A small board has no room for three seals, and for the code that reads them, beside the verification
of a signature. So a `Brief` of each seal keeps what the other steps of custody need, and the board
forgets this module and other readers before these steps begin.
"""

from collections import namedtuple

from . import errors, names, profile
from .certificate import Certificate
from .compat import collect, const, sha256
from .der import single

DEVELOPER = const(0)
STORE = const(1)
SITE = const(2)

# Public in `limits`, for modules that write: here each name would take 50 bytes of a board's heap.
_MAX_SIZE = const(4096)
_MAX_EXECUTABLE = const(16777216)
_MAX_VERSION_TEXT = const(32)
_MAX_SECURITY_VERSION = const(2147483647)
_MAX_GRANTS = const(64)
_MAX_GRANT = const(128)
_PREDECESSOR = const(0x80)
_GRANTS = const(0xA1)

_KEPT = const(
    "issuer algorithm digest signature not_before not_after predecessor hash spki service core uri"
    " grants serial service_version security_version executable_hash executable_size metadata_hash"
)
# The part of a Seal that `custody` needs, under the same names, in bytes of its own.
Brief = namedtuple("Brief", _KEPT.split())  # type: ignore[misc] # not one by one


class Seal(Certificate):
    """A seal that fits the profile. Only `custody` says whether it can be trusted. It has
    everything that a Certificate has, and

    role               DEVELOPER, STORE or SITE
    service            the service's name
    core               the DER of the fields that must be equal in all three seals of a service
    executable_hash    SHA-256, 32 bytes
    executable_size    bytes
    metadata_hash      SHA-256, 32 bytes
    service_version    for people, e.g. "1.2.0": visible ASCII
    security_version   int, never goes down on a node
    predecessor        SHA-256 of the seal before this one; None in a developer seal
    grants             tuple of str; empty except in a site seal
    uri                SPIFFE ID; "" except in a site seal
    hash               SHA-256 of the seal, which the next one names as its predecessor; None in a
                       site seal
    """

    def __init__(self, der, role: int):
        if len(der) > _MAX_SIZE:
            raise errors.TooLarge
        self.role = role
        Certificate.__init__(self, der)
        self.hash = sha256(der) if role != SITE else None
        self.service = names.check_label(profile.check(self))

    def read(self, reader) -> None:
        """Read what follows the subject's key, from the `der.Reader` that is `reader`."""
        self.uri, value = profile.read(reader, True, self.role == SITE)
        reader = single(value)
        reader.unsigned(1, 1)  # version
        self.executable_hash = reader.octets(32, 32)
        self.executable_size = reader.unsigned(1, _MAX_EXECUTABLE)
        self.metadata_hash = reader.octets(32, 32)
        self.service_version = reader.text(1, _MAX_VERSION_TEXT)
        for byte in self.service_version.encode():
            # People read it: so no hidden characters, and none that change the direction of text.
            if not 0x21 <= byte <= 0x7E:
                raise errors.ProfileViolation
        self.security_version = reader.unsigned(0, _MAX_SECURITY_VERSION)
        self.core = reader.data[: reader.pos]
        self.predecessor = None
        if self.role != DEVELOPER:
            self.predecessor = reader.octets(32, 32, _PREDECESSOR)
        grants: list[str] = []
        if self.role == SITE:
            granted = reader.enter(_GRANTS)
            while granted.peek() >= 0:
                if len(grants) == _MAX_GRANTS:
                    raise errors.TooLarge
                grants.append(granted.text(1, _MAX_GRANT))
        self.grants = tuple(grants)
        reader.end()


parse = Seal


def brief(der, role: int, seal=None) -> Brief:
    """Parse a seal and keep a Brief of it.

    Args:
        der: the seal.
        role: DEVELOPER, STORE or SITE.
        seal: values that are held already, as the Brief of the seal that builds on this one:
            equal values are not kept twice.

    Raises: the errors of `parse`; one without a detail gets the name of the seal as its detail.
    """
    collect()
    try:
        one = Seal(der, role)
    except errors.SealError as error:
        if error.args:
            raise
        raise type(error)(("developer_seal", "store_seal", "site_seal")[role])
    return Brief(*[_kept(getattr(one, name), seal or ()) for name in _KEPT.split()])


def _kept(value, held):
    """Return a value in bytes of its own: those that are held already, or else a copy."""
    kind = type(value)
    if kind is int:  # takes no memory worth a search
        return value
    if kind is memoryview:
        value = bytes(value)
        kind = bytes
    for known in held:
        if type(known) is kind and known == value:
            return known
    return value


def read(package, site: Brief) -> tuple:
    """Read the seals of a package, one after the other.

    Args:
        package: as `custody` describes it; each seal is asked for once.
        site: Brief of the site seal that builds on them.

    Returns: Briefs of site, Store and developer seal. Raises: the errors of `parse`.
    """
    store = brief(package.store_seal, STORE, site)
    return site, store, brief(package.developer_seal, DEVELOPER, store)
