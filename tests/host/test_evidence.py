"""Evidence: proven with public keys alone, or refused with the reason why it proves nothing."""

from types import SimpleNamespace

import pytest

from sealcore import encode, errors, seal, sealwriter
from tests.worlds import seals
from tests.worlds.seals import Shop
from triseal import evidence
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.errors import Failure, NoContradiction
from triseal.evidence import Keys

ADA = seals.developer("Ada")
BOB = seals.developer("Bob")
SHOP = Shop()
SITE = seals.p256()
ONE = seals.package(ADA)
OTHER = seals.package(ADA, executable=b"import os\n")  # the same version, again
NEXT = seals.package(ADA, version="1.0.1", security_version=2)
STRANGE = seals.package(BOB)
SAME_SPELT = seals.package(ADA, version="1.0")
OTHER_SPELT = seals.package(ADA, version="1.0", executable=b"import os\n")
RELATED = seals.package(ADA, "related", executable=b"x")
HONEST = SHOP.countersign(ONE)
SWAPPED = SHOP.swap(ONE, OTHER)
TRUST = Keys(
    site_keys=[(sealwriter.name("home"), SITE.spki)],
    store_keys=[SHOP.entry],
    developers=[
        (sealwriter.name("Ada"), ADA.signer.spki),
        (sealwriter.name("Bob"), BOB.signer.spki),
    ],
)


def at_site(store_seal: bytes, says: bytes, service: str = "blink") -> bytes:
    core = seal.parse(says, seal.STORE).core
    return seals.site_seal(SITE, "home", store_seal, core, service)


PROVEN: tuple[tuple[str, bytes, bytes, str, str, str], ...] = (
    ("the Store swapped the executable", ONE.developer_seal, SWAPPED,
     "altered", "Store seal", "executable_hash"),
    ("the Store gave it another version", ONE.developer_seal, SHOP.swap(ONE, NEXT),
     "altered", "Store seal", "service_version"),
    ("the Store swapped the developer", ONE.developer_seal,
     SHOP.swap(ONE, ONE, spki=BOB.signer.spki), "altered", "Store seal", "spki"),
    ("the Store renamed the service", ONE.developer_seal,
     SHOP.swap(ONE, ONE, subject=sealwriter.name("blunk")), "altered", "Store seal", "service"),
    ("the site sealed what the Store never did", HONEST, at_site(HONEST, SWAPPED),
     "altered", "site seal", "executable_hash"),
    ("the site renamed the service", HONEST, at_site(HONEST, HONEST, "blunk"),
     "altered", "site seal", "service"),
    ("the developer sealed one version twice", ONE.developer_seal, OTHER.developer_seal,
     "two-faced", "developer seal", "executable_hash"),
    ("the developer sealed one version twice in two spellings", ONE.developer_seal,
     OTHER_SPELT.developer_seal, "two-faced", "developer seal", "executable_hash"),
    ("the Store sealed one version twice", HONEST, SHOP.countersign(OTHER),
     "two-faced", "Store seal", "executable_hash"),
    ("the Store sealed one version for two developers", HONEST, SHOP.countersign(STRANGE),
     "two-faced", "Store seal", "spki"),
    ("the Store sealed two versions on one developer seal", HONEST, SHOP.swap(ONE, NEXT),
     "two-faced", "Store seal", "security_version"),
    ("the site sealed two things on one Store seal", at_site(HONEST, HONEST),
     at_site(HONEST, SWAPPED), "two-faced", "site seal", "executable_hash"),
)  # fmt: skip

NO_CONTRADICTION: tuple[tuple[str, bytes, bytes], ...] = (
    ("a seal and itself", HONEST, HONEST),
    ("an honest Store seal on its developer seal", ONE.developer_seal, HONEST),
    ("the Store sealed the same once more", HONEST, SHOP.countersign(ONE)),
    ("the developer sealed the same once more", ONE.developer_seal,
     seals.package(ADA).developer_seal),
    ("one content in two spellings of its version", ONE.developer_seal,
     SAME_SPELT.developer_seal),
    ("two versions", ONE.developer_seal, NEXT.developer_seal),
    ("two services", ONE.developer_seal, RELATED.developer_seal),
    ("two developers with one service name", ONE.developer_seal, STRANGE.developer_seal),
    ("two developers with one service name and other content", OTHER.developer_seal,
     STRANGE.developer_seal),
    ("a Store seal on another developer seal", OTHER.developer_seal, HONEST),
    ("an honest site seal", HONEST, at_site(HONEST, HONEST)),
    ("two nodes with two releases of one version", at_site(HONEST, HONEST),
     at_site(SWAPPED, SWAPPED)),
    ("a developer seal and a site seal", ONE.developer_seal, at_site(SWAPPED, SWAPPED)),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "earlier", "later", "kind", "role", "field"), PROVEN)
def test_proven(
    sentence: str, earlier: bytes, later: bytes, kind: str, role: str, field: str
) -> None:
    for pair in ((earlier, later), (later, earlier)):
        found = evidence.check(evidence.make(*pair), TRUST)
        assert (found.kind, found.role) == (kind, role), sentence
        assert field in found.differences, sentence


@pytest.mark.parametrize(("sentence", "earlier", "later"), NO_CONTRADICTION)
def test_not_proven(sentence: str, earlier: bytes, later: bytes) -> None:
    for pair in ((earlier, later), (later, earlier)):
        with pytest.raises(NoContradiction):
            evidence.make(*pair)


def by_hand(*pair: tuple[int, bytes], label: str = evidence.LABEL, rest: bytes = b"") -> bytes:
    parts = [encode.sequence(encode.integer(role), one) for role, one in pair]
    return bytes(encode.sequence(encode.text(label), *parts, rest))


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


GOOD = (0, ONE.developer_seal), (1, SWAPPED)
ONLY_STORES = Keys(store_keys=[SHOP.entry])
SAME_NAME = Keys(
    developers=[
        (sealwriter.name("Ada"), ADA.signer.spki),
        (sealwriter.name("Ada"), BOB.signer.spki),
    ]
)
BOB_AS_ADA = seals.package(Developer("Ada", BOB.signer), executable=b"x")

REFUSED: tuple[tuple[str, bytes, Keys, str], ...] = (
    ("made by hand, to see that the table works", by_hand(*GOOD), TRUST, ""),
    ("no contradiction in it", by_hand((0, ONE.developer_seal), (1, HONEST)), TRUST,
     "no-contradiction"),
    ("the other way round", by_hand(*GOOD[::-1]), TRUST, "no-contradiction"),
    ("nobody's keys are given", by_hand(*GOOD), Keys(), "untrusted-signer"),
    ("the developer's key is not given", by_hand(*GOOD), ONLY_STORES, "untrusted-signer"),
    ("the later signature is broken", by_hand(GOOD[0], (1, flipped(SWAPPED))), TRUST,
     "bad-signature"),
    ("another Store of the same name signed", by_hand(GOOD[0], (1, Shop().swap(ONE, OTHER))),
     TRUST, "bad-signature"),
    ("two keys of one name signed", by_hand((0, ONE.developer_seal),
     (0, BOB_AS_ADA.developer_seal)), SAME_NAME, "bad-signature"),
    ("one seal only", by_hand(GOOD[0]), TRUST, "malformed-der"),
    ("three seals", by_hand(*GOOD, GOOD[1]), TRUST, "malformed-der"),
    ("something behind it", by_hand(*GOOD) + b"\x00", TRUST, "malformed-der"),
    ("another label", by_hand(*GOOD, label="triseal package v1"), TRUST, "malformed-der"),
    ("a role that there is not", by_hand(GOOD[0], (3, SWAPPED)), TRUST, "malformed-der"),
    ("a seal in another role", by_hand(GOOD[0], (0, SWAPPED)), TRUST, "malformed-der"),
    ("too much of it", by_hand(*GOOD, rest=encode.octets(bytes(9000))), TRUST, "too-large"),
    ("nothing", b"", TRUST, "malformed-der"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "data", "trust", "code"), REFUSED)
def test_refused(sentence: str, data: bytes, trust: Keys, code: str) -> None:
    try:
        evidence.check(data, trust)
        seen = ""
    except (errors.SealError, Failure) as error:
        seen = error.code
    assert seen == code, sentence


def test_an_expired_seal_is_evidence_still() -> None:
    old = seals.package(ADA, validity=Validity(1_000_000_000, 1_000_000_001))
    found = evidence.check(evidence.make(old.developer_seal, SHOP.swap(old, OTHER)), TRUST)
    assert found.signer == "Shop"


def test_cut_off_anywhere_it_is_refused() -> None:
    whole = by_hand(*GOOD)
    for length in range(0, len(whole), 7):
        with pytest.raises(errors.MalformedDER):
            evidence.check(whole[:length], TRUST)


def test_a_trust_bundle_does_as_keys() -> None:
    trust = SimpleNamespace(site_keys=[], store_keys=[SHOP.entry], developers=TRUST.developers)
    assert evidence.check(by_hand(*GOOD), trust).signer == "Shop"


@pytest.mark.parametrize("data", [b"", ONE.der(), encode.sequence()])
def test_evidence_is_made_of_seals_only(data: bytes) -> None:
    with pytest.raises(errors.SealError):
        evidence.make(data, HONEST)
