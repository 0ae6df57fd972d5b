"""The trust bundle: the keys that a node believes, versioned and signed by the site."""

from . import encode, keys, names, utctime
from .compat import const
from .der import UTC_TIME, Reader, single
from .errors import BadSignature, MalformedDER, Rollback, TooLarge, UntrustedSigner, WrongSite

MAX_SIZE = const(8192)

_LABEL = "triseal bundle v1"
_MAX_VERSION = const(2147483647)
_MAX_LABEL = const(63)
_MAX_KEYS = const(64)


class TrustBundle:
    """A parsed bundle; `check_signed_by` or `check_update` says whether to believe it.

    der          the bundle itself
    version      int, only upwards
    site         the site's name
    issued_at    Unix seconds
    site_keys, store_keys, developers    lists of keys.KeyEntry
    """

    def __init__(self, der):
        self.der = der
        outer = single(der)
        self._tbs = outer.element()
        self._algorithm = keys.read_algorithm(outer)
        self._signature = outer.bits()
        outer.end()
        tbs = single(self._tbs)
        if tbs.text(1, _MAX_LABEL) != _LABEL:
            raise MalformedDER("not a trust bundle")
        self.version = tbs.unsigned(1, _MAX_VERSION)
        self.site = names.check_label(tbs.text(1, _MAX_LABEL))
        self.issued_at = utctime.decode(UTC_TIME, tbs.value(UTC_TIME))
        self.site_keys = _read_entries(tbs)
        self.store_keys = _read_entries(tbs)
        self.developers = _read_entries(tbs)
        tbs.end()
        if not self.site_keys:
            raise MalformedDER("a bundle without site key")

    def check_signed_by(self, site_keys) -> None:
        """Raises BadSignature unless one of these `keys.KeyEntry`s signed the bundle."""
        for entry in site_keys:
            try:
                return entry.verify(self._algorithm, self._tbs, self._signature)
            except BadSignature:
                continue
        raise BadSignature("no site key that is trusted signed the trust bundle")

    def check_update(self, current: "TrustBundle") -> None:
        """Raise unless this bundle may replace `current` on a node: of the same site, newer, and
        signed by a site key that the node already believes."""
        if self.site != current.site:
            raise WrongSite(self.site)
        self.check_signed_by(current.site_keys)
        if self.version <= current.version:
            raise Rollback("trust bundle %d, have %d" % (self.version, current.version))


def parse(der) -> TrustBundle:
    """Parse a bundle; raises TooLarge, MalformedDER or UnsupportedCertificate."""
    if len(der) > MAX_SIZE:
        raise TooLarge("a trust bundle has at most %d octets" % MAX_SIZE)
    return TrustBundle(der)


def _read_entries(tbs: Reader) -> list:
    entries = []
    reader = tbs.enter()
    while reader.peek() >= 0:
        if len(entries) == _MAX_KEYS:
            raise TooLarge("a trust bundle has at most %d keys of a kind" % _MAX_KEYS)
        pair = reader.enter()
        name = bytes(pair.element())
        names.common_name(name)
        entries.append(keys.KeyEntry(name, bytes(pair.element())))
        pair.end()
    return entries


def named(entries, name) -> list:
    """The entries for a signer's name (DER); raises UntrustedSigner if there is none."""
    found = [entry for entry in entries if entry.name == name]
    if not found:
        raise UntrustedSigner("no trusted key for this name")
    return found


def encode_tbs(version: int, site: str, issued_at: int, site_keys, store_keys, developers) -> bytes:
    """The part of a bundle that is signed; the three lists are sequences of keys.KeyEntry."""
    return encode.sequence(
        encode.text(_LABEL),
        encode.integer(version),
        encode.text(site),
        utctime.encode(issued_at),
        _encode_entries(site_keys),
        _encode_entries(store_keys),
        _encode_entries(developers),
    )


def _encode_entries(entries) -> bytes:
    return encode.sequence(*[encode.sequence(entry.name, entry.spki) for entry in entries])


def encode_signed(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """A bundle: `tbs` from `encode_tbs`, `algorithm` an AlgorithmIdentifier of `keys`."""
    return encode.sequence(tbs, algorithm, encode.bits(signature))
