"""The steps of `custody` for the parties before the node: the Store and the site's manager."""

from . import limits, seal, sealwriter
from .custody import check_content, check_developer, check_package


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
    may = check_package(store, developer, trust, now)  # 5-8
    check_content(store, package, floor, may, "")  # 9-10
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
    may = check_developer(developer, listed(developers), now)  # 7
    check_content(developer, package, floor, may, "")  # 9-10
    return developer


def listed(developers) -> bytes:
    """Return the developers in the form of TrustBundle.developers.

    All of them may sign every kind: only the trust bundle of a site says who may sign what.

    Args:
        developers: (name, SubjectPublicKeyInfo) pairs, DER.
    """
    kinds = bytes((limits.SERVICE | limits.AGENT | limits.FIRMWARE,))
    return b"".join([sealwriter.entry_hash(name, key) + kinds for name, key in developers])
