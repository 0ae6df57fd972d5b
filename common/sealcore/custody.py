"""The chain of custody: the ten numbered steps by which seals, bytes and time are checked.

 1. Sizes within bounds; every certificate parses as strict DER within the profile, and each grant
    is written as grants are.
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

`verify` is all ten. A small node has `seal.read`, `check` and `grants.check` do it, one after the
other. `upstream` runs the steps for the Store and for the site's manager. Nothing here opens,
writes or asks for the time: who calls decides what to read and what to do.
(Pahl and Donini 2018, sections III.B and III.C.)

A package is anything with these attributes:

    executable       a stream: readinto(buffer) returns how many octets it put there, 0 at the end
    metadata         bytes
    developer_seal   DER
    store_seal       DER
"""

import hashlib

from . import errors, keys
from .compat import const, sha256

_MAX_METADATA = const(8192)
_BLOCK = const(512)


def verify(package, site_seal, trust, node, service, node_key, now, floor=0):
    """All ten steps, for the node that is about to run the service.

    Args:
        package: as it lies on the node.
        site_seal: DER.
        trust: the node's bundle.TrustBundle, already accepted.
        node, service: their names.
        node_key: SubjectPublicKeyInfo (DER) of the node's key.
        now: trusted time, Unix seconds.
        floor: highest security version accepted for this service so far.

    Returns: the site seal, a seal.Brief. Raises: a leaf of SealError.
    """
    from . import grants, seal  # on a small board they have no room beside the rest

    seals = seal.read(package, seal.brief(site_seal, seal.SITE))  # 1
    for grant in seals[0].grants:
        grants.check(grant)
    return check(seals, package, trust, (node, service, node_key), now, floor)


def check(seals, package, trust, place: tuple, now: int, floor: int):
    """Steps 2 to 10, once the seals are read. The grants are left to `grants.check`.

    Args:
        seals: site, Store and developer seal, as seal.read has read them.
        place: (node, service, node_key).
        and the others as above.

    Returns: the site seal. Raises: a leaf of SealError.
    """
    site = seals[0]
    keys.check_signed(site, trust.site_keys, now)  # 2
    _check_place(site, trust.site, place)  # 3
    if site.predecessor != seals[1].hash:  # 4
        raise errors.PredecessorMismatch("site_seal")
    check_package(seals[1], seals[2], trust, site.not_before)  # 5-8
    if seals[1].service != site.service or seals[1].core != site.core:  # 8
        raise errors.SealMismatch("store_seal")
    check_content(site, package, floor)  # 9-10
    return site


def _check_place(cert, site: str, place: tuple) -> None:
    """Step 3: the SPIFFE ID is this service's on this node of this site, and the key the node's."""
    node, service, key = place
    due = ["spiffe:", "", site, "node", node, "service", service]
    found = cert.uri.split("/")
    if found[:3] != due[:3]:
        raise errors.WrongSite(cert.uri)
    if found[:5] != due[:5]:
        raise errors.WrongNode(cert.uri)
    if found != due or cert.service != service:
        raise errors.WrongService(cert.uri)
    if cert.key != sha256(key):
        raise errors.WrongKey


def check_package(store, developer, trust, now: int) -> None:
    """Steps 5 to 8 for what the Store gives to a site.

    Args:
        store, developer: the two seals.
        trust: as above.
        now: the time that counts.
    """
    keys.check_signed(store, trust.store_keys, now)  # 5
    if store.predecessor != developer.hash:  # 6
        raise errors.PredecessorMismatch("store_seal")
    if store.key != developer.key:  # 7
        raise errors.SealMismatch("developer_seal")
    check_developer(developer, trust.developers, now)  # 7
    if developer.service != store.service or developer.core != store.core:  # 8
        raise errors.SealMismatch("developer_seal")


def check_developer(cert, entries, now: int) -> None:
    """Step 7. The trusted copy of the key came from the site, not from the Store: so a Store that
    swaps the developer or the content is caught."""
    known = [entry for entry in entries if cert.key == sha256(entry[1])]
    keys.check_signed(cert, known, now)


def check_content(cert, package, floor: int) -> None:
    """Steps 9 and 10. At most a block is read beyond the sealed size."""
    if cert.security_version < floor:  # 9
        raise errors.Rollback
    metadata = package.metadata
    if len(metadata) > _MAX_METADATA:  # 1
        raise errors.TooLarge
    if sha256(metadata) != cert.metadata_hash:  # 10
        raise errors.MetadataMismatch
    stream = package.executable
    digest = hashlib.sha256()
    block = memoryview(bytearray(_BLOCK))
    left = cert.executable_size
    count = 1
    while count and left >= 0:
        count = stream.readinto(block)
        digest.update(block[:count])
        left -= count
    if left or digest.digest() != cert.executable_hash:  # 10
        raise errors.HashMismatch
