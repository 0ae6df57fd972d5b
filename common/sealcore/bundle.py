"""The trust bundle: the keys that a node trusts, versioned and signed by the site."""

from . import errors, keys, names, utctime
from .certificate import split
from .compat import const, sha256
from .der import single

_MAX_SIZE = const(8192)
_OID = const(0x06)
_SEQUENCE = const(0x30)
_MAX_VERSION = const(2147483647)
_MAX_LABEL = const(63)
_MAX_KEYS = const(64)


class TrustBundle:
    """A parsed trust bundle. Call `check_signed` or `check_update` before you trust it.

    der          the bundle itself, bytes
    version      int; it only goes up
    mark         the first 16 bytes of the SHA-256 of the signed part: two bundles of one version
                 differ in it
    site         the site's name
    issued_at    Unix seconds
    site_keys, store_keys, developers    lists of (name, SubjectPublicKeyInfo), both DER
    """

    def __init__(self, der):
        if len(der) > _MAX_SIZE:
            raise errors.TooLarge
        self.der = der
        tbs, self.algorithm, self.signature = split(der)
        self.digest = sha256(tbs)
        self.mark = self.digest[:16]
        tbs = single(tbs)
        if tbs.text(1, _MAX_LABEL) != "triseal bundle v1":
            raise errors.MalformedDER
        self.version = tbs.unsigned(1, _MAX_VERSION)
        self.site = names.check_label(tbs.text(1, _MAX_LABEL))
        self.issued_at = utctime.read(tbs)
        self.site_keys = entries(tbs.enter())
        self.store_keys = entries(tbs.enter())
        self.developers = entries(tbs.enter())
        tbs.end()
        if not self.site_keys:
            raise errors.MalformedDER

    def check_signed(self, entries) -> None:
        """Check that one of these keys signed the bundle.

        Args:
            entries: the (name, SubjectPublicKeyInfo) pairs that may sign, both DER.

        Raises: BadSignature, UntrustedSigner.
        """
        keys.verify_any(entries, self.algorithm, self.digest, self.signature)

    def check_update(self, trust: "TrustBundle") -> None:
        """Check that this bundle may replace another one on a node.

        It must be of the same site, have a higher version, and be signed by a site key that the
        node trusts already.

        Args:
            trust: the bundle that the node has.

        Raises: WrongSite, Rollback, BadSignature or UntrustedSigner.
        """
        if self.site != trust.site:
            raise errors.WrongSite(self.site)
        self.check_signed(trust.site_keys)
        if self.version <= trust.version:
            raise errors.Rollback


def entries(reader) -> list:
    """Read the KeyEntry elements that are left in a reader.

    Args:
        reader: a `der.Reader`.

    Returns: a list of (name, SubjectPublicKeyInfo), both DER. Raises: MalformedDER, TooLarge.
    """
    found: list = []
    while reader.peek() >= 0:
        if len(found) == _MAX_KEYS:
            raise errors.TooLarge
        pair = reader.enter()
        entry = pair.element(), pair.element(_SEQUENCE)
        pair.end()
        names.common_name(entry[0])
        # Other nodes may be able to use a key of another kind.
        key = single(entry[1])
        single(key.element(_SEQUENCE)).value(_OID)
        key.bits()
        key.end()
        found.append(entry)
    return found


parse = TrustBundle
