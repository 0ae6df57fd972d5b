"""The chain of custody: the ten numbered steps by which seals, bytes and time are checked.

 1. Sizes within bounds; every certificate parses as strict DER within the profile.
 2. The site seal is signed by a site key of the trust bundle and valid now.
 3. It names this site, this node and this service, and its key is this node's key.
 4. It builds on the Store seal.
 5. The Store seal is signed by a Store key of the bundle, and was valid when the site seal began.
 6. It builds on the developer seal.
 7. The developer seal is signed by the bundle's key for the developer, which the Store seal names
    as its subject key, and was valid when the site seal began.
 8. What must be equal is equal in all three.
 9. The security version is not below the highest accepted before.
10. The metadata's hash matches; the executable, read once and in blocks, has the stated size and
    hash.

The node runs all ten (`verify`), the site's manager all but 2-4 before it issues
(`verify_package`), the Store all but 2-6 before it countersigns (`verify_submission`). Whoever
calls this decides what to read and what to do; here nothing is opened, written or asked for the
time. (Pahl and Donini 2018, section III.B and III.C.)
"""

from . import bundle, identity, seal
from .compat import Sha256, const, sha256
from .errors import (
    BadSignature,
    HashMismatch,
    MetadataMismatch,
    PredecessorMismatch,
    Rollback,
    SealMismatch,
    TooLarge,
    UntrustedSigner,
    WrongKey,
    WrongService,
)

_BLOCK = const(512)


class Package:
    """What travels together: two seals (DER), the metadata (bytes) and the executable.

    `executable` is a stream: `readinto(buffer)` returns how many octets it put there, 0 at the end.
    A submission has no Store seal yet: b"".
    """

    def __init__(self, executable, metadata: bytes, developer_seal: bytes, store_seal: bytes = b""):
        self.executable = executable
        self.metadata = metadata
        self.developer_seal = developer_seal
        self.store_seal = store_seal


def verify(package: Package, site_seal, trust, node, service, node_key, now, floor=0) -> seal.Seal:
    """All ten steps, for the node that is about to run the service.

    Args:
        package: as it lies on the node.
        site_seal: DER.
        trust: the node's bundle.TrustBundle, already accepted.
        node, service: their names.
        node_key: SubjectPublicKeyInfo (DER) of the node's key.
        now: trusted time, Unix seconds.
        floor: highest security version accepted for this service so far.

    Returns: the site seal. Raises: a leaf of SealError.
    """
    site = seal.parse(site_seal, seal.SITE)  # 1
    store, developer = _parse_package(package)  # 1
    _check_signed(site, trust.site_keys)  # 2
    site.certificate.check_time(now)  # 2
    _check_place(site, trust.site, node, service, node_key)  # 3
    _check_built_on(site, package.store_seal)  # 4
    begin = site.certificate.not_before
    _check_seals(package, store, developer, trust, begin)  # 5-7
    _check_equal(site, store)  # 8
    _check_equal(store, developer)  # 8
    _check_version(site, floor)  # 9
    _check_content(site, package)  # 10
    return site


def verify_package(package: Package, trust, now, floor=0) -> seal.Seal:
    """All steps but 2-4, for the site's manager before it issues. Returns the Store seal.

    Args, Raises: as `verify`; `floor` is the security version of the package it replaces.
    """
    store, developer = _parse_package(package)  # 1
    _check_seals(package, store, developer, trust, now)  # 5-7
    _check_equal(store, developer)  # 8
    _check_version(store, floor)  # 9
    _check_content(store, package)  # 10
    return store


def verify_submission(package: Package, developers, now, floor=0) -> seal.Seal:
    """Steps 1 and 7-10, for the Store before it countersigns. Returns the developer seal.

    Args, Raises: as `verify`; `developers` are the keys.KeyEntry that the Store has registered.
    """
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)  # 1
    _check_developer(developer, developer.certificate.spki, developers, now)  # 7
    _check_version(developer, floor)  # 9
    _check_content(developer, package)  # 10
    return developer


def _parse_package(package: Package):
    store = seal.parse(package.store_seal, seal.STORE)
    return store, seal.parse(package.developer_seal, seal.DEVELOPER)


def _check_seals(package, store, developer, trust, begin: int) -> None:
    """Steps 5-7."""
    _check_signed(store, trust.store_keys)  # 5
    store.certificate.check_time(begin)  # 5
    _check_built_on(store, package.developer_seal)  # 6
    _check_developer(developer, store.certificate.spki, trust.developers, begin)  # 7


def _check_signed(one: seal.Seal, entries) -> None:
    """One of the trusted keys of the name that the seal gives as its issuer made its signature."""
    certificate = one.certificate
    for entry in bundle.named(entries, certificate.issuer):
        try:
            return entry.verify(certificate.algorithm, certificate.tbs, certificate.signature)
        except BadSignature:
            continue
    raise BadSignature(_ROLES[one.role] + " seal")


_ROLES = ("developer", "Store", "site")


def _check_place(site: seal.Seal, site_name, node, service, node_key) -> None:
    """Step 3."""
    identity.check_service(identity.read(site.certificate), site_name, node, service)
    if site.service != service:
        raise WrongService(site.service)
    if site.certificate.spki != node_key:
        raise WrongKey("the seal is for another key")


def _check_built_on(one: seal.Seal, predecessor) -> None:
    """Steps 4 and 6."""
    if one.predecessor != sha256(predecessor):
        raise PredecessorMismatch(_ROLES[one.role] + " seal")


def _check_developer(developer: seal.Seal, spki, entries, begin: int) -> None:
    """Step 7. The trusted copy of the key came from the site, not from the Store: so a Store that
    swaps the developer or the content is caught."""
    keys = [entry for entry in entries if entry.spki == spki]
    if not keys:
        raise UntrustedSigner("the developer's key is not trusted")
    _check_signed(developer, keys)
    developer.certificate.check_time(begin)


def _check_equal(later: seal.Seal, earlier: seal.Seal) -> None:
    """Step 8. What a seal may change on its way is all that is not compared here: the profile
    admits no other field (`seal.Seal`)."""
    if later.certificate.subject != earlier.certificate.subject:
        raise SealMismatch("service name")
    if later.core != earlier.core:
        raise SealMismatch("content of the service seal")
    if later.role == seal.STORE and later.certificate.spki != earlier.certificate.spki:
        raise SealMismatch("developer key")


def _check_version(one: seal.Seal, floor: int) -> None:
    """Step 9."""
    if one.security_version < floor:
        raise Rollback("security version %d, had %d" % (one.security_version, floor))


def _check_content(one: seal.Seal, package: Package) -> None:
    """Step 10."""
    if len(package.metadata) > seal.MAX_METADATA:
        raise TooLarge("metadata has at most %d octets" % seal.MAX_METADATA)
    if sha256(package.metadata) != one.metadata_hash:
        raise MetadataMismatch("the metadata is not what was sealed")
    if hash_stream(package.executable, one.executable_size) != one.executable_hash:
        raise HashMismatch("the executable is not what was sealed")


def hash_stream(stream, size: int) -> bytes:
    """SHA-256 of a stream that must hold exactly `size` octets; raises HashMismatch.

    Reads at most one block past the size, so a longer file costs no more than the sealed one.
    """
    digest = Sha256()
    block = memoryview(bytearray(_BLOCK))
    left = size
    while left >= 0:
        count = stream.readinto(block)
        if not count:
            break
        digest.update(block[:count])
        left -= count
    if left:
        raise HashMismatch("the executable does not have %d octets" % size)
    return digest.digest()
