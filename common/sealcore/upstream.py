"""The steps of `custody` for computers, which have room for all modules at once: all ten steps, and
those for the parties before the node, the Store and the site's manager.
"""

from . import content, custody, grants, limits, seal, sealwriter


def verify(package, site_seal, trust, node, service, node_key, now, floor=0):
    """Run all ten steps, as the node does that is about to run the service.

    Args:
        package: the package as it lies on the node.
        site_seal: DER.
        trust: the node's bundle.TrustBundle, accepted before.
        node: the node's name.
        service: the service's name.
        node_key: SubjectPublicKeyInfo (DER) of the node's key.
        now: trusted time, Unix seconds.
        floor: highest security version accepted for this service so far.

    Returns: the site seal, a seal.Brief. Raises: a leaf of SealError.
    """
    seals = seal.read(package, seal.brief(site_seal, seal.SITE))  # 1
    for grant in seals[0].grants:
        grants.check(grant)
    return custody.check(seals, package, trust, (node, service, node_key), now, floor, "service")


def verify_package(package, trust, now, floor=0) -> seal.Seal:
    """Run all steps but 2 to 4, for the site's manager before it issues a site seal.

    Args:
        package: as in `custody`.
        trust: a bundle.TrustBundle, or anything with `store_keys` and `developers`.
        now: Unix seconds.
        floor: security version of the package that it replaces.

    Returns: the Store seal. Raises: a leaf of SealError.
    """
    store = seal.parse(package.store_seal, seal.STORE)  # 1
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)  # 1
    may = custody.check_package(store, developer, trust, now)  # 5-8
    content.check(store, package, floor, may, "")  # 9-10
    return store


def verify_submission(package, developers, now, floor=0) -> seal.Seal:
    """Run steps 1 and 7 to 10, for the Store before it countersigns.

    Args:
        package: as in `custody`; its Store seal is not read.
        developers: the (name, SubjectPublicKeyInfo) pairs, DER, that the Store trusts.
        now: Unix seconds.
        floor: security version of the package that it replaces.

    Returns: the developer seal. Raises: a leaf of SealError.
    """
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)  # 1
    may = custody.check_developer(developer, listed(developers), now)  # 7
    content.check(developer, package, floor, may, "")  # 9-10
    return developer


def listed(developers) -> bytes:
    """Return the developers in the form of TrustBundle.developers.

    All of them may sign every kind: only the trust bundle of a site says who may sign what.

    Args:
        developers: (name, SubjectPublicKeyInfo) pairs, DER.
    """
    kinds = bytes((limits.SERVICE | limits.AGENT | limits.FIRMWARE,))
    return b"".join([sealwriter.entry_hash(name, key) + kinds for name, key in developers])
