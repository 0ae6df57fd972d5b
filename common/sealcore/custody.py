"""The chain of custody: the ten numbered steps that check seals, bytes and time.

 1. All sizes are within their bounds, every certificate is strict DER within the profile, and each
    grant is written as grants are.
 2. A site key of the trust bundle signed the site seal, and the seal is valid now.
 3. It names this site, this node, the kind and this service, and its key is this node's key.
 4. Its predecessor is the Store seal.
 5. A Store key of the bundle signed the Store seal, which was valid when the site seal began.
 6. Its predecessor is the developer seal.
 7. The Store seal and the developer seal have the same subject key. The bundle lists this key with
    the developer's name, for this kind. The key signed the developer seal, which was valid when the
    site seal began.
 8. Everything that must be equal is equal in all three seals.
 9. The security version is not below the highest one that was accepted before.
10. The metadata's hash matches, and it states this kind. The executable, read once and in blocks,
    has the stated size and hash.

`verify`, which is in `upstream`, runs all ten. A node calls `seal.read`, `check` and
`grants.check`, one after the other, which together do the same. `content` has steps 9 and 10, and
`upstream` also the steps for the Store and for the site's manager. Nothing here opens a file,
writes or asks for the time: the caller decides what to read and what to do. (Pahl and Donini 2018,
sections III.B and III.C.)

A package is any object with these attributes:

    executable       a stream: readinto(buffer) returns how many bytes it read, 0 at the end
    metadata         bytes
    developer_seal   DER
    store_seal       DER
"""

from . import errors, keys
from .compat import const, sha256

_DEVELOPER = const(33)


def check(seals, package, trust, place: tuple, now: int, floor: int, what: str):
    """Run steps 2 to 10 with seals that were read. `grants.check` checks the grants.

    Args:
        seals: site, Store and developer seal, as seal.read returns them.
        package: see above.
        trust: the node's bundle.TrustBundle.
        place: (node, service, node_key), as `verify` has them.
        now: trusted time, Unix seconds.
        floor: highest security version accepted for this service so far.
        what: the kind that the package must be: "service", "agent" or "firmware".

    Returns: the site seal. Raises: a leaf of SealError.
    """
    site = seals[0]
    keys.check_signed(site, trust.site_keys, now)  # 2
    _check_place(site, trust.site, place, what)  # 3
    if site.predecessor != seals[1].hash:  # 4
        raise errors.PredecessorMismatch("site_seal")
    may = check_package(seals[1], seals[2], trust, site.not_before)  # 5-8
    if seals[1].service != site.service or seals[1].core != site.core:  # 8
        raise errors.SealMismatch("store_seal")
    from . import content  # a small board has no room for it while a signature is verified

    content.check(site, package, floor, may, what)  # 9-10
    return site


if True:  # only on computers: `boards.code.stage` leaves this block out

    def __getattr__(name: str):
        # The public name of all ten steps; only if somebody asks, since `upstream` needs this one.
        if name == "verify":
            return __import__("sealcore.upstream", None, None, ("",)).verify
        raise AttributeError(name)


def _check_place(cert, site: str, place: tuple, what: str) -> None:
    """Step 3: the SPIFFE ID is this service's on this node of this site, and the key is
    the node's."""
    node, service, key = place
    due = ["spiffe:", "", site, "node", node, what, service]
    found = cert.uri.split("/")
    if found != due or cert.service != service:
        from . import kind

        kind.refuse(found, due)
    if cert.spki != key:
        raise errors.WrongKey


def check_package(store, developer, trust, now: int) -> int:
    """Run steps 5 to 8 on what the Store gave to a site.

    Args:
        store: the Store seal.
        developer: the developer seal.
        trust: anything with `store_keys` and `developers`, as a bundle.TrustBundle has them.
        now: the time at which both must be valid, Unix seconds.

    Returns: what the developer may sign, as `check_developer`. Raises: a leaf of SealError.
    """
    keys.check_signed(store, trust.store_keys, now)  # 5
    if store.predecessor != developer.hash:  # 6
        raise errors.PredecessorMismatch("store_seal")
    if store.spki != developer.spki:  # 7
        raise errors.SealMismatch("developer_seal")
    may = check_developer(developer, trust.developers, now)  # 7
    if developer.service != store.service or developer.core != store.core:  # 8
        raise errors.SealMismatch("developer_seal")
    return may


def check_developer(cert, developers, now: int) -> int:
    """Run step 7.

    The hash in the trust bundle came from the site and not from the Store, so this step finds a
    Store that swapped the developer or the content.

    Args:
        cert: the developer seal.
        developers: as in bundle.TrustBundle.
        now: the time at which the seal must be valid, Unix seconds.

    Returns: the bits of the kinds that she may sign.
    Raises: UntrustedSigner, BadSignature, NotYetValid or Expired.
    """
    entry = bytes(cert.issuer) + bytes(cert.spki)
    size = len(entry)
    long = (size > 127) + (size > 255)
    # The hash of a KeyEntry, as `sealwriter.entry_hash` writes it.
    head = (b"\x30", b"\x30\x81", b"\x30\x82")[long] + size.to_bytes(long or 1, "big")
    at = developers.find(sha256(head + entry))
    if at % _DEVELOPER:  # -1: not found
        raise errors.UntrustedSigner
    keys.check_signed(cert, [(cert.issuer, cert.spki)], now)
    return developers[at + 32]
