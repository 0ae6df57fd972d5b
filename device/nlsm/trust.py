"""Who this node is and whom it believes."""

from sealcore.compat import const

from . import memory


class Trust:
    """What the node's own certificate and its trust bundle say, which agree with each other.

    node       the node's name
    spki       SubjectPublicKeyInfo (DER) of its key
    site       the site's name
    version    of the trust bundle
    site_keys, store_keys, developers    as TrustBundle has them
    renew_at   Unix seconds: half of the life of the node's certificate is over
    signed     Unix seconds: the latest time that the site has signed in the two
    """

    if False:  # for mypy alone: it compiles to nothing
        node: str  # type: ignore[unreachable]
        spki: bytes
        site: str
        version: int
        site_keys: list
        store_keys: list
        developers: list
        renew_at: int
        signed: int


_loaded: list[Trust] = []
_READERS = const("sealcore.bundle sealcore.identity nlsm.identify")


def load() -> Trust:
    """The node's own; read and checked when it is first asked for, as long as this module stays
    loaded. Raises a leaf of SealError."""
    if not _loaded:
        memory.load(memory.TRUST)
        memory.load(_READERS)
        memory.settle()
        from . import identify

        _loaded.append(identify.read())
        del identify
        memory.forget(_READERS)
    return _loaded[0]


def changed() -> None:
    """Its files were replaced."""
    _loaded.clear()
