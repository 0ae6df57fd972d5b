"""The identity of this node and the keys that it trusts."""

from sealcore.compat import const

from . import memory


class Trust:
    """The facts in the node's certificate and its trust bundle, which were checked against each
    other.

        node       the node's name
        spki       SubjectPublicKeyInfo (DER) of its key
        site       the site's name
        bundle     (version, mark) of the trust bundle
        site_keys, store_keys, developers    as in TrustBundle
        renew_at   Unix seconds: the middle of the validity of the node's certificate
        signed     Unix seconds: the latest time that the site has signed in these two
    """

    if False:  # for mypy alone: it compiles to nothing
        node: str  # type: ignore[unreachable]
        spki: bytes
        site: str
        bundle: tuple
        site_keys: list
        store_keys: list
        developers: bytes
        renew_at: int
        signed: int


_loaded: list[Trust] = []
_READERS = const("sealcore.bundle sealcore.identity nlsm.identify")


def load() -> Trust:
    """Return the node's own Trust. Raises a leaf of SealError.

    The files are read and checked on the first call, as long as this module stays loaded.
    """
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
    """Forget the loaded Trust, because its files were replaced."""
    _loaded.clear()
