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

The node runs all ten (`verify`). `upstream` runs the same steps for the Store and for the site's
manager. Nothing here opens, writes or asks for the time: who calls decides what to read and what
to do. (Pahl and Donini 2018, sections III.B and III.C.)

A package is anything with these attributes:

    executable       a stream: readinto(buffer) returns how many octets it put there, 0 at the end
    metadata         bytes
    developer_seal   DER
    store_seal       DER
"""

from . import errors, keys, seal
from .compat import Sha256, const, sha256

_MAX_METADATA = const(8192)
_BLOCK = const(512)


def verify(package, site_seal, trust, node, service, node_key, now, floor=0) -> seal.Seal:
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
    store = seal.parse(package.store_seal, seal.STORE)  # 1
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)  # 1
    check_signed(site, trust.site_keys, now)  # 2
    _check_place(site, (trust.site, "node", node, "service", service))  # 3
    if site.spki != node_key:  # 3
        raise errors.WrongKey
    if site.predecessor != sha256(package.store_seal):  # 4
        raise errors.PredecessorMismatch("site seal")
    check_package(package, store, developer, trust, site.not_before)  # 5-8
    if site.service != store.service or site.core != store.core:  # 8
        raise errors.SealMismatch("site seal")
    check_content(site, package, floor)  # 9-10
    return site


def check_signed(one: seal.Seal, entries, when: int) -> None:
    """A key in `entries` of the name that the seal gives as its issuer signed it; it is valid."""
    known = [entry for entry in entries if entry[0] == one.issuer]
    if not known:
        raise errors.UntrustedSigner(seal.ROLES[one.role])
    keys.verify_any(known, one.algorithm, one.tbs, one.signature)
    one.check_time(when)


def _check_place(site: seal.Seal, place) -> None:
    """Step 3: the SPIFFE ID is this service's on this node of this site."""
    named = site.uri.split("/")
    if named[:2] != ["spiffe:", ""] or named[2:3] != [place[0]]:
        raise errors.WrongSite(site.uri)
    if tuple(named[2:6]) != place[:4]:
        raise errors.WrongNode(site.uri)
    if tuple(named[2:]) != place or site.service != place[4]:
        raise errors.WrongService(site.uri)


def check_package(package, store: seal.Seal, developer: seal.Seal, trust, begin: int) -> None:
    """Steps 5 to 8 for the Store and developer seals; `begin` is the time that counts."""
    check_signed(store, trust.store_keys, begin)  # 5
    if store.predecessor != sha256(package.developer_seal):  # 6
        raise errors.PredecessorMismatch("Store seal")
    check_developer(developer, store.spki, trust.developers, begin)  # 7
    if developer.service != store.service or developer.core != store.core:  # 8
        raise errors.SealMismatch("Store seal")
    if developer.spki != store.spki:  # 8
        raise errors.SealMismatch("developer key")


def check_developer(developer: seal.Seal, spki, entries, begin: int) -> None:
    """Step 7. The trusted copy of the key came from the site, not from the Store: so a Store that
    swaps the developer or the content is caught."""
    check_signed(developer, [entry for entry in entries if entry[1] == spki], begin)


def check_content(one: seal.Seal, package, floor: int) -> None:
    """Steps 9 and 10. At most a block is read beyond the sealed size."""
    if one.security_version < floor:  # 9
        raise errors.Rollback("security version %d, had %d" % (one.security_version, floor))
    if len(package.metadata) > _MAX_METADATA:  # 1
        raise errors.TooLarge("metadata")
    if sha256(package.metadata) != one.metadata_hash:  # 10
        raise errors.MetadataMismatch
    digest = Sha256()
    block = memoryview(bytearray(_BLOCK))
    left = one.executable_size
    count = 1
    while count and left >= 0:
        count = package.executable.readinto(block)
        digest.update(block[:count])
        left -= count
    if left or digest.digest() != one.executable_hash:  # 10
        raise errors.HashMismatch
