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

import hashlib

from . import errors, seal
from .compat import collect, const, sha256

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
    site.check_signed(trust.site_keys, now)  # 2
    _check_place(site, trust.site, node, service)  # 3
    if site.spki != node_key:  # 3
        raise errors.WrongKey
    check_package(package, site, trust, site.not_before)  # 4-8
    check_content(site, package, floor)  # 9-10
    return site


def _check_place(cert: seal.Seal, site: str, node: str, service: str) -> None:
    """Step 3: the SPIFFE ID is this service's on this node of this site."""
    due = ["spiffe:", "", site, "node", node, "service", service]
    found = cert.uri.split("/")
    if found[:3] != due[:3]:
        raise errors.WrongSite(cert.uri)
    if found[:5] != due[:5]:
        raise errors.WrongNode(cert.uri)
    if found != due or cert.service != service:
        raise errors.WrongService(cert.uri)


def check_package(package, cert: seal.Seal, trust, now: int) -> seal.Seal:
    """Steps 4 to 8, by one seal after the other: a board need not hold all of them.

    Args:
        package, trust: as above; each part is read once.
        cert: the site seal; None where there is none yet.
        now: the time that counts.

    Returns: the last seal, which is the Store seal where there is no site seal.
    """
    der = package.store_seal
    if cert and cert.predecessor != sha256(der):  # 4
        raise errors.PredecessorMismatch(seal.ROLES[cert.role])
    collect()
    other = seal.parse(der, seal.STORE)  # 1
    other.check_signed(trust.store_keys, now)  # 5
    cert = cert or other
    if cert.service != other.service or cert.core != other.core:  # 8
        raise errors.SealMismatch(seal.ROLES[other.role])
    der = package.developer_seal
    if other.predecessor != sha256(der):  # 6
        raise errors.PredecessorMismatch(seal.ROLES[seal.STORE])
    key = sha256(other.spki)  # takes less room than the key
    other = None
    collect()
    other = seal.parse(der, seal.DEVELOPER)  # 1
    if sha256(other.spki) != key:  # 8
        raise errors.SealMismatch(seal.ROLES[seal.DEVELOPER])
    check_developer(other, trust.developers, now)  # 7
    if cert.service != other.service or cert.core != other.core:  # 8
        raise errors.SealMismatch(seal.ROLES[other.role])
    return cert


def check_developer(cert: seal.Seal, entries, now: int) -> None:
    """Step 7. The trusted copy of the key came from the site, not from the Store: so a Store that
    swaps the developer or the content is caught."""
    entry = cert.issuer, cert.spki
    cert.check_signed((entry,) if entry in entries else (), now)


def check_content(cert: seal.Seal, package, floor: int) -> None:
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
