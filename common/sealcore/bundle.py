"""The trust bundle: the keys that a node believes, versioned and signed by the site."""

from . import errors, keys, names, utctime
from .compat import const
from .der import single

MAX_SIZE = const(8192)
LABEL = "triseal bundle v1"

_SEQUENCE = const(0x30)
_UTC_TIME = const(0x17)
_MAX_VERSION = const(2147483647)
_MAX_LABEL = const(63)
_MAX_KEYS = const(64)


class TrustBundle:
    """A parsed bundle; `check_signed_by` or `check_update` says whether to believe it.

    der          the bundle itself
    version      int, only upwards
    site         the site's name
    issued_at    Unix seconds
    site_keys, store_keys, developers    lists of (name, SubjectPublicKeyInfo), both DER
    """

    def __init__(self, der):
        self.der = der
        outer = single(der)
        self._tbs = outer.element(_SEQUENCE)
        self._algorithm = keys.read_algorithm(outer)
        self._signature = outer.bits()
        outer.end()
        tbs = single(self._tbs)
        if tbs.text(1, _MAX_LABEL) != LABEL:
            raise errors.MalformedDER
        self.version = tbs.unsigned(1, _MAX_VERSION)
        self.site = names.check_label(tbs.text(1, _MAX_LABEL))
        if tbs.peek() != _UTC_TIME:
            raise errors.MalformedDER
        self.issued_at = utctime.read(tbs)
        self.site_keys = _read_entries(tbs.enter())
        self.store_keys = _read_entries(tbs.enter())
        self.developers = _read_entries(tbs.enter())
        tbs.end()
        if not self.site_keys:
            raise errors.MalformedDER

    def check_signed_by(self, entries) -> None:
        """Raises BadSignature unless the key of one of these entries signed the bundle."""
        keys.verify_any(entries, self._algorithm, self._tbs, self._signature)

    def check_update(self, current: "TrustBundle") -> None:
        """Raise unless this bundle may replace `current` on a node: of the same site, newer, and
        signed by a site key that the node already believes."""
        if self.site != current.site:
            raise errors.WrongSite(self.site)
        self.check_signed_by(current.site_keys)
        if self.version <= current.version:
            raise errors.Rollback("trust bundle %d, had %d" % (self.version, current.version))


def _read_entries(reader) -> list:
    entries = []
    while reader.peek() >= 0:
        if len(entries) == _MAX_KEYS:
            raise errors.TooLarge("keys in a trust bundle")
        pair = reader.enter()
        entry = pair.element(), pair.element(_SEQUENCE)
        pair.end()
        names.common_name(entry[0])
        entries.append(entry)
    return entries


def parse(der) -> TrustBundle:
    """Parse a bundle; raises TooLarge, MalformedDER or UnsupportedCertificate."""
    if len(der) > MAX_SIZE:
        raise errors.TooLarge("trust bundle")
    return TrustBundle(der)
