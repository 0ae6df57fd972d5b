"""Evidence: two correctly signed seals that contradict each other, for anyone to verify.

    Evidence ::= SEQUENCE {
        label    UTF8String ("triseal evidence v1"),
        earlier  SealInRole,
        later    SealInRole }
    SealInRole ::= SEQUENCE {
        role     INTEGER (0..2),            -- developer, Store, site
        seal     Certificate }

There are two ways to contradict:

- **altered**: a later seal names an earlier one as its predecessor and yet says something else of
  what may not change on the way. Its signer had the earlier seal in hand: it stands against the
  later signer.
- **two-faced**: one key signed two seals that may not both be: of one service and version, or on
  the same predecessor, with different content.

Only public keys are needed, and no time: a signature stays a statement after the seal has expired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sealcore import der, encode, errors, keys, limits, names, seal
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
    """Public keys by role as (name, SubjectPublicKeyInfo), DER: `Keys`, or a parsed TrustBundle."""

    @property
    def site_keys(self) -> Sequence[Entry]:
        """Of the site."""
        ...

    @property
    def store_keys(self) -> Sequence[Entry]:
        """Of Stores."""
        ...

    @property
    def developers(self) -> Sequence[Entry]:
        """Of developers."""
        ...


@dataclass
class Keys:
    """A `Trust` by hand."""

    site_keys: list[Entry] = field(default_factory=list)
    store_keys: list[Entry] = field(default_factory=list)
    developers: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Finding:
    """What evidence proves.

    Attributes:
        kind: ALTERED or TWO_FACED.
        role: of the signer against whom it stands, one of describe.SEALS.
        signer: that signer's name.
        service: as the later seal names it.
        differences: names of the fields that contradict.
    """

    kind: str
    role: str
    signer: str
    service: str
    differences: tuple[str, ...]


def make(first: bytes, second: bytes) -> bytes:
    """Put two seals that contradict each other into evidence.

    Args:
        first, second: seals (DER) of any roles, in any order.

    Returns: the evidence, DER. The signatures are for `check` to verify.

    Raises:
        NoContradiction: they can both be.
        ProfileViolation, MalformedDER, ...: one is no seal.
    """
    pair = sorted((role_of(first), role_of(second)), key=lambda one: (one.role, one.not_before))
    contradiction(*pair)
    return bytes(
        encode.sequence(
            encode.text(LABEL),
            *[encode.sequence(encode.integer(one.role), one.der) for one in pair],
        )
    )


def parse(data: bytes) -> tuple[seal.Seal, seal.Seal]:
    """The earlier and the later seal; raises TooLarge, MalformedDER or ProfileViolation."""
    if len(data) > MAX_SIZE:
        raise errors.TooLarge("evidence")
    outer = der.single(data)
    if outer.text(1, len(LABEL)) != LABEL:
        raise errors.MalformedDER("no evidence")
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
        data: DER.
        trust: the public keys of those who signed the two seals.

    Returns: what it proves.

    Raises:
        NoContradiction: the two seals can both be.
        UntrustedSigner, BadSignature: it is not proven who signed them.
        TooLarge, MalformedDER, ProfileViolation: it is no evidence.
    """
    earlier, later = parse(data)
    found = contradiction(earlier, later)
    entries = trust.developers, trust.store_keys, trust.site_keys
    if found.kind == ALTERED:
        for one in (earlier, later):
            _check_signed(one, entries[one.role])
    else:
        _check_one_signer(earlier, later, entries[later.role])
    return found


def contradiction(earlier: seal.Seal, later: seal.Seal) -> Finding:
    """What two seals say against each other, whoever signed them; raises NoContradiction."""
    if later.role == earlier.role + 1:
        if later.predecessor != sha256(earlier.der):
            raise NoContradiction("the later seal does not build on the earlier one")
        kind = ALTERED
    elif later.role == earlier.role:
        _check_comparable(earlier, later)
        kind = TWO_FACED
    else:
        raise NoContradiction("a developer seal and a site seal do not name each other")
    differences = _differences(earlier, later)
    if not differences:
        raise NoContradiction("they agree in all that may not change")
    signer = str(names.common_name(later.issuer))
    return Finding(kind, SEALS[later.role], signer, str(later.service), differences)


def role_of(data: bytes) -> seal.Seal:
    """Parse a seal in the one role that it fits: no seal fits two."""
    for role in (seal.SITE, seal.STORE):
        try:
            return seal.parse(data, role)
        except errors.SealError:
            continue
    return seal.parse(data, seal.DEVELOPER)


def _check_comparable(one: seal.Seal, other: seal.Seal) -> None:
    """Both of one signer, about one thing: then they must say the same of it."""
    if one.issuer != other.issuer:
        raise NoContradiction("two signers")
    if one.predecessor is not None and one.predecessor == other.predecessor:
        return
    # Nodes may run different releases, so the sites' versions say nothing about the site.
    if one.service != other.service or not _same_version(one, other) or one.role == seal.SITE:
        raise NoContradiction("they speak of different things")


def _differences(one: seal.Seal, other: seal.Seal) -> tuple[str, ...]:
    fields = ["service", "executable_hash", "executable_size", "metadata_hash"]
    fields += ["service_version", "security_version"]
    if other.role == seal.STORE:  # a site seal's key is the node's, a developer's is the signer's
        fields.append("spki")
    found = [name for name in fields if getattr(one, name) != getattr(other, name)]
    if found == ["service_version"] and one.role == other.role and _same_version(one, other):
        return ()  # 1.2 and 1.2.0 of the same content: a spelling, no contradiction
    return tuple(found)


def _same_version(one: seal.Seal, other: seal.Seal) -> bool:
    return _version(one) == _version(other)


def _version(one: seal.Seal) -> object:
    text = str(one.service_version)
    try:
        return version.parse(text)
    except BadVersion:
        return text  # the profile lets a seal say anything; then only the same text is the same


def _check_signed(one: seal.Seal, entries: Sequence[Entry]) -> None:
    keys.check_signed(one, entries, one.not_before)


def _check_one_signer(one: seal.Seal, other: seal.Seal, entries: Sequence[Entry]) -> None:
    """One key signed both: two keys of one name may be two parties."""
    _check_signed(one, entries)
    mine = [entry for entry in entries if _signed_by(one, entry)]
    _check_signed(other, mine)


def _signed_by(one: seal.Seal, entry: Entry) -> bool:
    try:
        _check_signed(one, [entry])
    except errors.SealError:
        return False
    return True
