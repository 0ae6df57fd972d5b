"""Reads who this node is and whom it believes from the files that enrolment left."""

from sealcore import bundle, errors, identity, names

from . import keystore
from .trust import Trust


def read(folder: str = keystore.ROOT) -> Trust:
    """Check all but validity: the time is not known yet.

    Args:
        folder: where node.crt, bundle.der and node.key lie, each there or else in /triseal.

    Raises: a leaf of SealError.
    """
    kept = believed(folder)
    own = identity.parse(file(folder, "node.crt"))
    found = Trust()
    found.node = names.common_name(own.subject)
    uri = identity.node(kept.site, found.node)
    identity.check(own, kept.site_keys, uri, own.not_before)
    found.spki = bytes(own.spki)
    _check_key(found.spki, file(folder, "node.key"))
    found.site = kept.site
    found.version = kept.version
    found.renew_at = (own.not_before + own.not_after) // 2
    found.signed = max(kept.issued_at, own.not_before)
    # Copied, so that the files, and what reads them, need not stay in memory.
    found.site_keys = _copied(kept.site_keys)
    found.store_keys = _copied(kept.store_keys)
    found.developers = _copied(kept.developers)
    return found


def believed(folder: str = keystore.ROOT) -> bundle.TrustBundle:
    """The trust bundle, signed by a site key that it names; arguments and errors as `read`."""
    kept = bundle.parse(file(folder, "bundle.der"))
    kept.check_signed(kept.site_keys)
    return kept


def _check_key(spki: bytes, sec1: bytes) -> None:
    """Raises WrongKey unless the certificate is for the key in this ECPrivateKey."""
    # The key says its public half itself, at its end; to compute it takes seconds on a board.
    if sec1[-65:] != spki[-65:]:
        raise errors.WrongKey("node certificate")


def file(folder: str, name: str) -> bytes:
    """A file of this folder, or else of /triseal."""
    return keystore.read(folder + "/" + name) or keystore.read(keystore.ROOT + "/" + name)


def _copied(entries) -> list:
    return [(bytes(name), bytes(key)) for name, key in entries]
