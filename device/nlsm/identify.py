"""Reads this node's identity and the keys that it trusts from the files that enrolment stored."""

from sealcore import bundle, errors, identity, names

from . import keystore
from .trust import Trust


def read(folder: str = keystore.ROOT) -> Trust:
    """Check everything but the validity periods, because the time is not known yet.

    Args:
        folder: holds node.crt, bundle.der and node.key; a missing file is read from /triseal.

    Raises: a leaf of SealError.
    """
    kept = believed(folder)
    own = identity.parse(file(folder, "/node.crt"))
    found = Trust()
    found.node = names.common_name(own.subject)
    uri = identity.node(kept.site, found.node)
    identity.check(own, kept.site_keys, uri, own.not_before)
    found.spki = bytes(own.spki)
    _check_key(found.spki, file(folder, "/node.key"))
    found.site = kept.site
    found.bundle = kept.version, kept.mark
    found.renew_at = (own.not_before + own.not_after) // 2
    found.signed = max(kept.issued_at, own.not_before)
    # These are copies, so that the files and the modules that read them need not stay in memory.
    found.site_keys = _copied(kept.site_keys)
    found.store_keys = _copied(kept.store_keys)
    found.developers = kept.developers  # last: a piece of their size is free on a small heap
    return found


def believed(folder: str = keystore.ROOT) -> bundle.TrustBundle:
    """Return the trust bundle, after checking that the roots in it have signed it.

    Arguments and errors are those of `read`.
    """
    kept = bundle.parse(file(folder, "/bundle.der"))
    kept.check_signed()
    return kept


def _check_key(spki: bytes, sec1: bytes) -> None:
    """Raise WrongKey unless the certificate is for the key in this ECPrivateKey."""
    # The file ends with the public key. To compute it from the private key would take seconds on a
    # board.
    if sec1[-65:] != spki[-65:]:
        raise errors.WrongKey("node certificate")


def file(folder: str, path: str) -> bytes:
    """Read a file from this folder, or from /triseal if it is missing there.

    The path begins with a slash, because other modules have it in memory like this.
    """
    return keystore.read(folder + path) or keystore.read(keystore.ROOT + path)


def _copied(entries) -> list:
    return [(bytes(name), bytes(key)) for name, key in entries]
