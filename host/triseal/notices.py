"""What a Store tells its sites: its decisions and its signing keys, in one signed file.

    Notices ::= SEQUENCE { tbs TBSNotices, signatureAlgorithm, signature BIT STRING }
    TBSNotices ::= SEQUENCE {
        label         UTF8String ("triseal notices v1"),
        store         UTF8String,                      -- name of the Store
        issuedAt      INTEGER,                         -- Unix seconds
        since         INTEGER,                         -- the changes after this number
        certificates  SEQUENCE OF Certificate,         -- of the signing keys, each self-signed
        keys          [0] EXPLICIT StoreKeys OPTIONAL, -- see `storekeys`; absent without a root
        changes       SEQUENCE OF Change }             -- numbers since+1, since+2, ...
    Change ::= SEQUENCE {
        number  INTEGER (1..2147483647),
        time    INTEGER,                               -- Unix seconds
        kind    UTF8String,                            -- one of KINDS
        name    UTF8String (SIZE(1..64)),              -- of the developer, the service or the Store
        detail  UTF8String (SIZE(0..64)),
        key     OCTET STRING,                          -- SubjectPublicKeyInfo, or empty
        former  OCTET STRING,                          -- the same
        proof   OCTET STRING,                          -- a Replacement, or empty
        reason  UTF8String (SIZE(0..200)),
        who     UTF8String (SIZE(0..64)) }

A file says nothing about trust: the site decides what follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealcore import certificate, der, encode, errors, keys, limits, sealwriter, x509
from sealcore.compat import sha256
from triseal import pem, replacement, request, storekeys, words
from triseal.errors import BadNotices, Failure, NotRecognised
from triseal.signer import Signer
from triseal.storekeys import StoreKeys

LABEL = "triseal notices v1"
MAX_SIZE = 1 << 20
MAX_CHANGES = 1000
_MAX_NUMBER = 2147483647
_MAX_TIME = 253402300799
_MAX_KEY = 1024

APPROVED = "developer-approved"
REPLACED = "key-replaced"
SUSPENDED = "developer-suspended"
RESUMED = "developer-resumed"
WITHDRAWN = "release-withdrawn"
HANDED_OVER = "service-handed-over"
QUARANTINED = "release-quarantined"
CLEARED = "release-cleared"
SERVICE_QUARANTINED = "service-quarantined"
SERVICE_CLEARED = "service-cleared"
ARCHIVED = "service-archived"
REOPENED = "service-reopened"
KEY_PREPARED = "store-key-prepared"
KEY_ACTIVATED = "store-key-activated"
KEY_REVOKED = "store-key-revoked"

# Which fields of a change of each kind are not empty; `proof` may always be.
KINDS = {
    APPROVED: "key",
    REPLACED: "key former",
    SUSPENDED: "key",
    RESUMED: "key",
    WITHDRAWN: "version",
    HANDED_OVER: "version key",
    QUARANTINED: "version",
    CLEARED: "version",
    SERVICE_QUARANTINED: "",
    SERVICE_CLEARED: "",
    ARCHIVED: "",
    REOPENED: "",
    KEY_PREPARED: "key",
    KEY_ACTIVATED: "key former",
    KEY_REVOKED: "former",
}


@dataclass(frozen=True)
class Change:
    """One decision of the Store.

    Attributes:
        kind: one of KINDS.
        name: name of the developer or the service; the Store's for one of its own keys.
        version: version of a release, or the name of the new owner of a service; else "".
        key: the key that is approved, takes the place of another one, or is a new key of the Store;
            DER SubjectPublicKeyInfo, b"" if there is none.
        former: the key that is replaced or revoked, the same.
        proof: the replacement that the former key has signed, see `replacement`; b"" without one.
        number: 1 for the first change of the Store.
        time: Unix seconds.
        reason: the text for people; "" where nobody had to give one.
        who: the user who decided, as `store.changes` has it.
    """

    kind: str
    name: str
    version: str = ""
    key: bytes = b""
    former: bytes = b""
    proof: bytes = b""
    number: int = 0
    time: int = 0
    reason: str = ""
    who: str = ""

    def der(self) -> bytes:
        """Encode the change, DER."""
        texts = self.kind, self.name, self.version
        return bytes(
            encode.sequence(
                encode.integer(self.number),
                encode.integer(self.time),
                *[encode.text(one) for one in texts],
                *[encode.octets(one) for one in (self.key, self.former, self.proof)],
                *[encode.text(one) for one in (self.reason, self.who)],
            )
        )


@dataclass(frozen=True)
class Notices:
    """A file in which everything has its form. Call `check_signed` before you trust it.

    Attributes:
        store: name of the Store.
        issued_at: Unix seconds.
        since: the number before the first change.
        certificates: of the Store's signing keys.
        keys: the signing keys as the Store's root names them; None without a root.
        changes: in the order of their numbers.
        der: all of it.
    """

    store: str
    issued_at: int
    since: int
    certificates: tuple[x509.Certificate, ...]
    keys: StoreKeys | None
    changes: tuple[Change, ...]
    der: bytes

    @property
    def last(self) -> int:
        """Number of the newest change that the file has, or says that there was."""
        return self.since + len(self.changes)

    def check_signed(self, signing: Sequence[bytes]) -> None:
        """Check that one of these keys has signed the file.

        Args:
            signing: DER SubjectPublicKeyInfo.

        Raises:
            BadNotices: none of them has.
        """
        tbs, algorithm, signature = certificate.split(self.der)
        try:
            entries = [(b"", spki) for spki in signing]
            keys.verify_any(entries, algorithm, sha256(tbs), signature)
        except errors.SealError:
            raise BadNotices("no key of the Store that is trusted has signed it") from None


def make(
    signer: Signer,
    store: str,
    now: int,
    since: int,
    certificates: Sequence[bytes],
    listed: StoreKeys | None,
    changes: Sequence[Change],
) -> Notices:
    """Sign a file. It has as many of the changes as fit.

    Args:
        signer: signs with the Store's key in use.
        store: name of the Store.
        now: the time, Unix seconds.
        since: the number before the first change.
        certificates: of the Store's signing keys, DER.
        listed: the signing keys as the root names them, if there is a root.
        changes: in the order of their numbers.
    """
    encoded: list[bytes] = []
    for one in changes[:MAX_CHANGES]:
        encoded.append(one.der())
        if sum(map(len, encoded)) > MAX_SIZE // 2:
            encoded.pop()
            break
    tbs = encode.sequence(
        encode.text(LABEL),
        encode.text(store),
        encode.integer(now),
        encode.integer(since),
        encode.sequence(*certificates),
        encode.explicit(0, listed.der) if listed else b"",
        encode.sequence(*encoded),
    )
    return parse(sealwriter.signed(tbs, signer.algorithm, signer.sign(tbs)))


def to_pem(made: Notices) -> bytes:
    """Write a file as PEM.

    Args:
        made: the file.
    """
    return pem.encode(pem.NOTICES, made.der)


def parse(data: bytes) -> Notices:
    """Read a file.

    Args:
        data: PEM or DER.

    Raises:
        BadNotices: it is none, or something in it has another form.
    """
    if len(data) > 2 * MAX_SIZE:
        raise BadNotices(f"more than {2 * MAX_SIZE} bytes")
    try:
        return _parse(pem.expect(data, pem.NOTICES))
    except NotRecognised as error:
        raise BadNotices(error.detail) from None
    except BadNotices:
        raise
    except (errors.SealError, Failure) as error:
        raise BadNotices(f"{error.code} {error}".strip()) from None


def _parse(data: bytes) -> Notices:
    fields = der.single(certificate.split(data)[0])
    if fields.text(1, len(LABEL)) != LABEL:
        raise BadNotices("it begins otherwise")
    store = request.check_name(fields.text(1, 64))
    issued_at = fields.unsigned(0, _MAX_TIME)
    since = fields.unsigned(0, _MAX_NUMBER)
    inner, certificates = fields.enter(), []
    while inner.peek() >= 0:
        certificates.append(x509.parse(bytes(inner.element(limits.SEQUENCE))))
    listed = None
    if fields.peek() == 0xA0:
        wrapped = fields.enter(0xA0)
        listed = storekeys.parse(bytes(wrapped.element(limits.SEQUENCE)))
        wrapped.end()
    inner, changes = fields.enter(), []
    fields.end()
    while inner.peek() >= 0:
        changes.append(parse_change(bytes(inner.element(limits.SEQUENCE))))
        if changes[-1].number != since + len(changes):
            raise BadNotices(f"change {since + len(changes)} is missing")
    if len(changes) > MAX_CHANGES or not 1 <= len(certificates) <= storekeys.MAX_KEYS:
        raise BadNotices("too many changes or certificates")
    if listed is not None and listed.store != store:
        raise BadNotices("its list of keys is of another Store")
    return Notices(store, issued_at, since, tuple(certificates), listed, tuple(changes), data)


def parse_change(data: bytes) -> Change:
    """Read one change.

    Args:
        data: DER.

    Raises:
        BadNotices, BadName, BadReason, BadReplacement, SealError: something has another form.
    """
    fields = der.single(data)
    number = fields.unsigned(1, _MAX_NUMBER)
    time = fields.unsigned(0, _MAX_TIME)
    kind = fields.text(1, 32)
    name = request.check_name(fields.text(1, 64))
    version = fields.text(0, 64)
    key, former = (bytes(fields.octets(0, _MAX_KEY)) for _ in range(2))
    proof = bytes(fields.octets(0, replacement.MAX_SIZE))
    reason, who = fields.text(0, words.MAX_REASON), fields.text(0, 64)
    fields.end()
    made = Change(kind, name, version, key, former, proof, number, time, reason, who)
    _check(made)
    return made


def _check(made: Change) -> None:
    """Check that a change has what its kind has, and nothing else."""
    if made.kind not in KINDS:
        raise BadNotices(f"a change of the unknown kind {made.kind!a}")
    wanted = KINDS[made.kind].split()
    for field in ("version", "key", "former"):
        if bool(getattr(made, field)) != (field in wanted):
            raise BadNotices(f"change {made.number} has no {field}, or should have none")
    for text in filter(None, (made.version, made.reason, made.who)):
        words.check_reason(text)
    for spki in filter(None, (made.key, made.former)):
        keys.parse(spki)
    if made.proof:
        proven = replacement.parse(made.proof)
        said = made.kind, made.name, made.former, made.key
        if said != (REPLACED, proven.name, proven.old, proven.new):
            raise BadNotices(f"the proof of change {made.number} is of something else")
