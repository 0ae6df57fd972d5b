"""Who this node is and whom it believes, from the files that enrolment left."""

from sealcore import bundle, errors, identity, names

from . import keystore


class Trust:
    """The node's own certificate and its trust bundle, which agree with each other.

    bundle    TrustBundle
    node      the node's name
    spki      SubjectPublicKeyInfo (DER) of its key
    signed    Unix seconds: the latest time that the site has signed in the two
    """

    def __init__(self, folder: str = keystore.ROOT):
        """Load and check all but validity: the time is not known yet.

        Args:
            folder: where node.crt and bundle.der lie, each there or else in /triseal.

        Raises: a leaf of SealError.
        """
        self.bundle = bundle.parse(_read(folder, "bundle.der"))
        self.bundle.check_signed(self.bundle.site_keys)
        own = identity.parse(_read(folder, "node.crt"))
        self.node = names.common_name(own.subject)
        uri = identity.node(self.bundle.site, self.node)
        identity.check(own, self.bundle.site_keys, uri, own.not_before)
        self.spki = bytes(own.spki)
        self.signed = max(self.bundle.issued_at, own.not_before)

    def check_key(self, sec1: bytes) -> None:
        """Raises WrongKey unless the certificate is for the key in this ECPrivateKey."""
        # The key says its public half itself, at its end; to compute it takes seconds on a board.
        if len(sec1) < 65 or sec1[-65:] != self.spki[-65:]:
            raise errors.WrongKey("node certificate")


_loaded = []


def load() -> Trust:
    """The node's own; checked when it is first asked for, as long as this module stays loaded."""
    if not _loaded:
        own = Trust()
        own.check_key(keystore.read(keystore.ROOT + "/node.key"))
        _loaded.append(own)
    return _loaded[0]


def changed() -> None:
    """Its files were replaced."""
    _loaded.clear()


def _read(folder: str, name: str) -> bytes:
    return keystore.read(folder + "/" + name) or keystore.read(keystore.ROOT + "/" + name)
