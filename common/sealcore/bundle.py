"""The trust bundle: the keys that a node trusts, versioned and signed by the site's roots."""

from . import errors, keys, names, utctime
from .compat import collect, const, sha256
from .der import single

_MAX_SIZE = const(8192)
_BIT_STRING = const(0x03)
_OID = const(0x06)
_SEQUENCE = const(0x30)
_MAX_VERSION = const(2147483647)
_MAX_LABEL = const(63)
_MAX_KEYS = const(64)
_MAX_ROOTS = const(8)
_MAX_SIGNATURES = const(16)
_DEVELOPER = const(33)
_DEVELOPER_DER = const(40)


class TrustBundle:
    """A parsed trust bundle. Call `check_signed` or `check_update` before you trust it.

    der          the bundle itself, bytes
    version      int; it only goes up
    digest       SHA-256 of the signed part
    mark         the first 16 bytes of `digest`: two bundles of one version differ in it
    site         the site's name
    issued_at    Unix seconds
    roots        (threshold, [SubjectPublicKeyInfo, ...]): so many of these keys sign a bundle
    site_keys, store_keys    lists of (name, SubjectPublicKeyInfo), both DER
    developers   33 bytes for each: its entryHash, and the byte of its `kinds`, see `custody`
    signature    list of (SHA-256 of the signer's SubjectPublicKeyInfo, algorithm, signature)

    In a bundle of version 1, which older boards and databases have, the site's keys are the roots,
    and one signature is enough.
    """

    def __init__(self, der):
        if len(der) > _MAX_SIZE:
            raise errors.TooLarge
        self.der = der
        outer = single(der)
        tbs = outer.element(_SEQUENCE)
        self.digest = sha256(tbs)
        self.mark = self.digest[:16]
        tbs = single(tbs)
        label = tbs.text(1, _MAX_LABEL)
        first = label == "triseal bundle v1"
        if not first and label != "triseal bundle v2":
            raise errors.MalformedDER
        self.version = tbs.unsigned(1, _MAX_VERSION)
        self.site = names.check_label(tbs.text(1, _MAX_LABEL))
        self.issued_at = utctime.read(tbs)
        if not first:
            self.roots = roots(tbs.enter())
        self.site_keys = entries(tbs.enter())
        self.store_keys = entries(tbs.enter())
        if first:
            self.roots = 1, [entry[1] for entry in self.site_keys]
            self.developers = b"".join(entries(tbs.enter(), 1))
            self.signature = [(b"", outer.element(_SEQUENCE), outer.bits())]
        else:
            self.developers = developers(tbs.enter())
            self.signature = signature(outer.enter())
        tbs.end()
        outer.end()
        if not self.site_keys:
            raise errors.MalformedDER

    def check_signed(self, roots=None) -> None:
        """Check that enough roots signed the bundle: each key counts once.

        A signature that does not hold does not count, and does not hide the others.

        Args:
            roots: (threshold, keys) as in `roots`; the bundle's own if None.

        Raises: UntrustedSigner if too few have signed it; the error of the last signature of one of
            these roots that did not hold, if there is one: BadSignature, UnsupportedKey or
            MalformedDER.
        """
        missing, known = roots or self.roots
        failed = None
        for key in known:
            mine = sha256(key)
            for signer, algorithm, signature in self.signature:
                if not signer or signer == mine:
                    collect()
                    try:
                        keys.verify(keys.parse(key), algorithm, self.digest, signature)
                        missing -= 1
                    except errors.SealError as error:
                        failed = error
            if not missing:
                return
        raise failed or errors.UntrustedSigner

    def check_update(self, trust: "TrustBundle") -> None:
        """Check that this bundle may replace another one on a node (TUF specification 5.3.4).

        It must be of the same site, have a higher version, and be signed by the roots of both. If
        it changes the roots, it must be the very next version, so that a node that was away sees
        each such step.

        Args:
            trust: the bundle that the node has.

        Raises: WrongSite, Rollback, or as `check_signed`.
        """
        if self.site != trust.site:
            raise errors.WrongSite(self.site)
        self.check_signed(trust.roots)
        step = self.version - trust.version
        if self.roots != trust.roots:
            self.check_signed()
            if step != 1:
                raise errors.Rollback
        known = [sha256(key) for key in self.roots[1] + trust.roots[1]]
        for signature in self.signature:
            if signature[0] and signature[0] not in known:
                raise errors.UntrustedSigner
        if step < 1:
            raise errors.Rollback


# Each name of a function here is also the name of an attribute, since a new name takes heap.


def roots(reader) -> tuple:
    """Read the roots: the threshold and the keys.

    Args:
        reader: a `der.Reader` over their SEQUENCE.

    Raises: MalformedDER, TooLarge.
    """
    threshold = reader.unsigned(1, _MAX_ROOTS)
    listed = reader.enter()
    reader.end()
    found: list = []
    while listed.peek() >= 0:
        key = spki(listed)
        if len(found) == _MAX_ROOTS:
            raise errors.TooLarge
        if key in found:
            raise errors.MalformedDER
        found.append(key)
    if len(found) < threshold:
        raise errors.MalformedDER
    return threshold, found


def entries(reader, kind: int = 0) -> list:
    """Read the KeyEntry elements that are left in a reader.

    Args:
        reader: a `der.Reader`.
        kind: not 0 to return them as `developers` has them, for services.

    Returns: a list of (name, SubjectPublicKeyInfo), both DER. Raises: MalformedDER, TooLarge.
    """
    found: list = []
    while reader.peek() >= 0:
        if len(found) == _MAX_KEYS:
            raise errors.TooLarge
        whole = reader.element(_SEQUENCE)
        pair = single(whole)
        entry = pair.element(), spki(pair)
        pair.end()
        names.common_name(entry[0])
        found.append(sha256(whole) + b"\x80" if kind else entry)
    return found


def spki(reader):
    """Read a SubjectPublicKeyInfo of any kind: other nodes may be able to use it.

    Args:
        reader: a `der.Reader`.
    """
    found = reader.element(_SEQUENCE)
    key = single(found)
    single(key.element(_SEQUENCE)).value(_OID)
    key.bits()
    key.end()
    return found


def developers(reader) -> bytes:
    """Read the developers that are left in a reader: sorted, so that none comes twice.

    Args:
        reader: a `der.Reader`.
    """
    found = bytearray(len(reader.data) // _DEVELOPER_DER * _DEVELOPER)
    at = 0
    last = b""
    while reader.peek() >= 0:
        one = reader.enter()
        entry = bytes(one.octets(32, 32))
        # A BIT STRING of 1 to 3 named bits, which ends with a bit that is set (X.690 section 11.2).
        kinds = one.octets(2, 2, _BIT_STRING)
        one.end()
        unused = kinds[0]
        if entry <= last or not 5 <= unused <= 7 or kinds[1] & (2 << unused) - 1 != 1 << unused:
            raise errors.MalformedDER
        last = entry
        found[at : at + _DEVELOPER] = entry + kinds[1:]
        at += _DEVELOPER
    return bytes(found)


def signature(reader) -> list:
    """Read the signatures that are left in a reader.

    Args:
        reader: a `der.Reader`.
    """
    found: list = []
    while reader.peek() >= 0:
        if len(found) == _MAX_SIGNATURES:
            raise errors.TooLarge
        one = reader.enter()
        signature = bytes(one.octets(32, 32)), one.element(_SEQUENCE), one.bits()
        one.end()
        if signature[0] in [other[0] for other in found]:
            raise errors.MalformedDER
        found.append(signature)
    return found


parse = TrustBundle
