"""Evidence: two correctly signed seals that contradict each other. Everybody can verify it.

    Evidence ::= SEQUENCE {
        label    UTF8String ("triseal evidence v1"),
        earlier  SealInRole,
        later    SealInRole }
    SealInRole ::= SEQUENCE {
        role     INTEGER (0..2),            -- developer, Store, site
        seal     Certificate }

Two seals can contradict each other in two ways:

- **altered**: a later seal names an earlier one as its predecessor, but differs from it in a value
  that must not change. Its signer had the earlier seal, so that this is evidence against the signer
  of the later one.
- **two-faced**: one key signed two seals that must not both exist: two seals of one service and
  version, or on the same predecessor, with different content.

Only public keys are needed, and no time: a signature stays a statement after the seal has expired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sealcore import der, encode, errors, keys, limits, names, seal, sealwriter
from sealcore.compat import sha256
from triseal import version
from triseal.describe import SEALS
from triseal.errors import BadVersion, NoContradiction

LABEL = "triseal evidence v1"
MAX_SIZE = 2 * limits.MAX_SEAL + 64
ALTERED = "altered"
TWO_FACED = "two-faced"

Entry = tuple[bytes, bytes]


class Trust(Protocol):
    """Public keys by role as (name, SubjectPublicKeyInfo), DER: `Keys` or a parsed TrustBundle."""

    @property
    def site_keys(self) -> Sequence[Entry]:
        """The keys of the site."""
        ...

    @property
    def store_keys(self) -> Sequence[Entry]:
        """The keys of Stores."""
        ...

    @property
    def developers(self) -> Sequence[Entry] | bytes | bytearray:
        """The keys of developers, or their hashes as a TrustBundle has them."""
        ...


@dataclass
class Keys:
    """A `Trust` that is filled by hand.

    Attributes:
        site_keys, store_keys, developers: keys as (name, SubjectPublicKeyInfo), DER.
    """

    site_keys: list[Entry] = field(default_factory=list)
    store_keys: list[Entry] = field(default_factory=list)
    developers: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Finding:
    """The fact that evidence proves.

    Attributes:
        kind: ALTERED or TWO_FACED.
        role: role of the signer who is concerned, one of describe.SEALS.
        signer: name of that signer.
        service: name of the service in the later seal.
        differences: names of the fields that contradict each other.
    """

    kind: str
    role: str
    signer: str
    service: str
    differences: tuple[str, ...]


def make(first: bytes, second: bytes) -> bytes:
    """Put two seals that contradict each other into evidence.

    Args:
        first: a seal of any role, DER.
        second: another seal of any role, DER; the order does not matter.

    Returns: the evidence, DER. Its signatures are not verified here but by `check`.

    Raises:
        NoContradiction: the seals don't contradict each other.
        ProfileViolation, MalformedDER, ...: one of them is not a seal.
    """
    pair = sorted((role_of(first), role_of(second)), key=lambda seal: (seal.role, seal.not_before))
    contradiction(*pair)
    return bytes(
        encode.sequence(
            encode.text(LABEL),
            *[encode.sequence(encode.integer(seal.role), seal.der) for seal in pair],
        )
    )


def parse(data: bytes) -> tuple[seal.Seal, seal.Seal]:
    """Return the earlier and the later seal of evidence.

    Args:
        data: the evidence, DER.

    Raises:
        TooLarge, MalformedDER, ProfileViolation: it is not evidence.
    """
    if len(data) > MAX_SIZE:
        raise errors.TooLarge("evidence")
    outer = der.single(data)
    if outer.text(1, len(LABEL)) != LABEL:
        raise errors.MalformedDER("not evidence")
    pair = []
    for _ in range(2):
        inner = outer.enter()
        role = inner.unsigned(seal.DEVELOPER, seal.SITE)
        pair.append(seal.parse(bytes(inner.element(limits.SEQUENCE)), role))
        inner.end()
    outer.end()
    return pair[0], pair[1]


def check(data: bytes, trust: Trust) -> Finding:
    """Verify evidence.

    Args:
        data: the evidence, DER.
        trust: public keys of the signers of the two seals.

    Returns: the fact that it proves.

    Raises:
        NoContradiction: the seals don't contradict each other.
        UntrustedSigner, BadSignature: it is not proved who signed a seal.
        TooLarge, MalformedDER, ProfileViolation: it is not evidence.
    """
    earlier, later = parse(data)
    finding = contradiction(earlier, later)
    if finding.kind == ALTERED:
        for sealed in (earlier, later):
            _check_signed(sealed, _entries(trust, sealed))
    else:
        _check_one_signer(earlier, later, _entries(trust, earlier))
    return finding


def _entries(trust: Trust, sealed: seal.Seal) -> Sequence[Entry]:
    """Return the keys that may have signed a seal.

    A trust bundle has hashes of developers. A developer seal itself has the key.
    """
    if sealed.role != seal.DEVELOPER:
        return trust.store_keys if sealed.role == seal.STORE else trust.site_keys
    if not isinstance(trust.developers, bytes | bytearray):
        return trust.developers
    mine = bytes(sealed.issuer), bytes(sealed.spki)
    listed = trust.developers.find(sealwriter.entry_hash(*mine)) % limits.DEVELOPER == 0
    return [mine] if listed else []


def contradiction(earlier: seal.Seal, later: seal.Seal) -> Finding:
    """Find the contradiction between two seals. Signatures are not verified.

    Args:
        earlier: the earlier seal.
        later: the later seal.

    Raises:
        NoContradiction: there is none.
    """
    if later.role == earlier.role + 1:
        if later.predecessor != sha256(earlier.der):
            raise NoContradiction("the later seal does not follow the earlier one")
        kind = ALTERED
    elif later.role == earlier.role:
        _check_comparable(earlier, later)
        kind = TWO_FACED
    else:
        raise NoContradiction("a developer seal and a site seal do not name each other")
    differences = _differences(earlier, later)
    if not differences:
        raise NoContradiction("they agree in all values that must not change")
    signer = str(names.common_name(later.issuer))
    return Finding(kind, SEALS[later.role], signer, str(later.service), differences)


def role_of(data: bytes) -> seal.Seal:
    """Parse a seal in its role: no seal fits two roles.

    Args:
        data: the seal, DER.

    Raises:
        ProfileViolation, MalformedDER, ...: it is not a seal.
    """
    for role in (seal.SITE, seal.STORE):
        try:
            return seal.parse(data, role)
        except errors.SealError:
            continue
    return seal.parse(data, seal.DEVELOPER)


def _check_comparable(first: seal.Seal, second: seal.Seal) -> None:
    """Check that both seals have one signer and one subject, so that they must agree."""
    if first.issuer != second.issuer:
        raise NoContradiction("they have different signers")
    if first.predecessor is not None and first.predecessor == second.predecessor:
        return
    # Nodes may run different releases, so that the versions in site seals prove nothing.
    if (
        first.service != second.service
        or not _same_version(first, second)
        or first.role == seal.SITE
    ):
        raise NoContradiction("they are about different things")


def _differences(first: seal.Seal, second: seal.Seal) -> tuple[str, ...]:
    fields = ["service", "executable_hash", "executable_size", "metadata_hash"]
    fields += ["service_version", "security_version"]
    if second.role == seal.STORE:  # the key in a site seal is the node's, in others the signer's
        fields.append("spki")
    differing = [name for name in fields if getattr(first, name) != getattr(second, name)]
    if (
        differing == ["service_version"]
        and first.role == second.role
        and _same_version(first, second)
    ):
        return ()  # 1.2 and 1.2.0 with the same content are two spellings, not a contradiction
    return tuple(differing)


def _same_version(first: seal.Seal, second: seal.Seal) -> bool:
    return _version(first) == _version(second)


def _version(sealed: seal.Seal) -> object:
    text = str(sealed.service_version)
    try:
        return version.parse(text)
    except BadVersion:
        return text  # the profile allows any text: then only equal texts are equal versions


def _check_signed(sealed: seal.Seal, entries: Sequence[Entry]) -> None:
    keys.check_signed(sealed, entries, sealed.not_before)


def _check_one_signer(first: seal.Seal, second: seal.Seal, entries: Sequence[Entry]) -> None:
    """Check that one key signed both seals: two keys of one name may belong to two parties."""
    _check_signed(first, entries)
    mine = [entry for entry in entries if _signed_by(first, entry)]
    _check_signed(second, mine)


def _signed_by(sealed: seal.Seal, entry: Entry) -> bool:
    try:
        _check_signed(sealed, [entry])
    except errors.SealError:
        return False
    return True
