"""What a Store tells a site: what is refused, and which change of trust follows from the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealcore import limits, names
from tests.worlds.site_world import NOW, YEAR, World, code_of, make_store, signed_package
from triseal import bundles, certificate, database, notices, replacement, request, signer, storekeys
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.developer.sign import renew
from triseal.notices import Change, Notices
from triseal.package import Package
from triseal.request import fingerprint
from triseal.signer import KeySigner
from triseal.site.rules import review, trust
from triseal.site.views import figures, told
from triseal.storekeys import StoreKeys

ROOT, OTHER, NEXT, NEW, THIRD = (KeySigner(signer.generate("p256")) for _ in range(5))
VALID = Validity(NOW - 90, NOW + YEAR)


class Told:
    """A site, and what its Store has decided so far."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.ada = self.world.developer
        self.key = self.world.store.signer
        self.list = storekeys.make(ROOT, "Store", 1, (self.key.spki,))
        own = certificate.self_signed_ca(self.key, "Store", VALID, self.list.root_mark)
        self.certificates = [own]
        self.world.manager.trust_store(own)
        self.world.manager.add_service(self.world.package())
        self.world.add_node("hall")
        self.world.manager.assign("hall", "thermo")
        self.changes: list[Change] = []

    def decide(self, *made: Change) -> None:
        for one in made:
            number = len(self.changes) + 1
            self.changes.append(replace(one, number=number, time=NOW, reason="a reason"))

    def file(self, **other: Any) -> Notices:
        """The file of the Store, or with something else in it."""
        return notices.make(
            other.get("by", self.key),
            other.get("store", "Store"),
            NOW,
            other.get("since", 0),
            other.get("certificates", self.certificates),
            other.get("list", self.list),
            other.get("changes", self.changes),
        )

    def review(self, *fingerprints: str, drop: bool = False, **other: Any) -> None:
        """Read the file, and follow it."""
        manager = self.world.manager
        manager.follow(manager.review(self.file(**other)), fingerprints, drop=drop)

    def trusted(self) -> tuple[set[bytes], set[bytes]]:
        """The keys of Stores and of developers."""
        keys = trust.keys_of(self.world.manager.bundle(), self.world.manager.known_developers())
        developers = {key for _, key in review.developers_of(keys)}
        return {bytes(key) for _, key in keys.stores}, developers

    def add_key(self, key: KeySigner = NEXT, *, root: bytes = b"") -> None:
        """The root names another key of the Store."""
        signing = (*self.list.keys, key.spki)
        self.list = storekeys.make(ROOT, "Store", self.list.version + 1, signing)
        mark = root or self.list.root_mark
        self.certificates.append(certificate.self_signed_ca(key, "Store", VALID, mark))

    def sealed(self, by: KeySigner) -> Package:
        """The package of the service with the seal of another key of the Store."""
        return replace(self.world.store, signer=by).countersign(self.world.signed())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path / "site")
    with made.world:
        yield made


def replaced(old: KeySigner, new: KeySigner, *, proven: bool = True, name: str = "Ada") -> Change:
    """A developer's new key."""
    proof = replacement.parse(replacement.make(old, request.make(new, name))).der
    return Change(notices.REPLACED, name, "", new.spki, old.spki, proof if proven else b"")


def ada(site: Told) -> KeySigner:
    key = site.ada.signer
    assert isinstance(key, KeySigner)
    return key


# Files that are refused.


def listed(site: Told, version: int, *keys: KeySigner, by: KeySigner = ROOT) -> StoreKeys:
    return storekeys.make(by, "Store", version, tuple(one.spki for one in keys))


SUSPENDED = Change(notices.SUSPENDED, "Ada", key=OTHER.spki)
REFUSED: tuple[tuple[str, Callable[[Told], Notices], str], ...] = (
    ("by another key", lambda s: s.file(by=OTHER), "bad-notices"),
    ("of a Store that the site does not trust",
     lambda s: s.file(store="Shop", list=None), "unknown-key"),
    ("without the list of keys", lambda s: s.file(list=None), "bad-notices"),
    ("with the list of another root",
     lambda s: s.file(list=listed(s, 2, s.key, by=OTHER)), "bad-notices"),
    ("by a key that another root names",
     lambda s: s.file(by=NEXT, list=listed(s, 2, NEXT, by=OTHER)), "bad-notices"),
    ("with an older list of keys", lambda s: s.file(list=listed(s, 1, s.key)), "older-notices"),
    ("with the same list of other keys",
     lambda s: s.file(list=listed(s, 2, s.key, OTHER)), "notices-differ"),
    ("by a key that the list does not name any more",
     lambda s: s.file(list=listed(s, 3, NEXT)), "bad-notices"),
    ("without the certificate of a new key",
     lambda s: s.file(list=listed(s, 3, s.key, OTHER)), "bad-notices"),
    ("that the site knows more of", lambda s: s.file(changes=s.changes[:1]), "older-notices"),
    ("that lacks a change", lambda s: s.file(since=3, changes=[]), "notices-gap"),
    ("with another history",
     lambda s: s.file(changes=[replace(s.changes[0], reason="another"), *s.changes[1:]]),
     "notices-differ"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "make", "code"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_file_is_refused(
    site: Told, sentence: str, make: Callable[[Told], Notices], code: str
) -> None:
    site.decide(SUSPENDED, Change(notices.RESUMED, "Ada", key=OTHER.spki))
    site.add_key()
    site.review()
    before = site.trusted(), site.world.manager.bundle().version
    assert code_of(lambda: site.world.manager.review(make(site))) == code
    assert (site.trusted(), site.world.manager.bundle().version) == before
    site.review()  # and the right one is still taken


def test_every_byte_of_a_file_counts(site: Told) -> None:
    site.decide(replaced(ada(site), NEW), Change(notices.WITHDRAWN, "thermo", "1.0"))
    good = site.file()
    assert notices.parse(notices.to_pem(good)).der == good.der
    for at in range(0, len(good.der), 5):
        changed = bytearray(good.der)
        changed[at] ^= 0x04
        call = bytes(changed)
        assert code_of(lambda data=call: site.world.manager.review(notices.parse(data)))  # type: ignore[misc]
    assert told_here(site) == []


FORMS: tuple[tuple[str, Sequence[Change]], ...] = (
    ("an unknown kind", [Change("developer-promoted", "Ada", key=OTHER.spki)]),
    ("a key that is missing", [Change(notices.SUSPENDED, "Ada")]),
    ("a key too many", [Change(notices.WITHDRAWN, "thermo", "1.0", key=OTHER.spki)]),
    ("a name that steers a terminal", [Change(notices.SUSPENDED, "A\x1b[2J", key=OTHER.spki)]),
    ("a key that is none", [Change(notices.SUSPENDED, "Ada", key=b"\x30\x00")]),
    ("the proof of something else",
     [replace(replaced(OTHER, NEW), key=THIRD.spki)]),
    ("the proof of another name", [replace(replaced(OTHER, NEW, name="Eve"), name="Ada")]),
    ("a number that is missing", [replace(SUSPENDED, number=2)]),
    ("a reason of two lines", [replace(SUSPENDED, reason="a\nb")]),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "changes"), FORMS, ids=[row[0] for row in FORMS])
def test_a_file_of_another_form(site: Told, sentence: str, changes: Sequence[Change]) -> None:
    numbered = [one if one.number else replace(one, number=1) for one in changes]
    assert code_of(lambda: site.file(changes=numbered)) == "bad-notices"


def test_a_file_is_bounded(site: Told) -> None:
    site.decide(*[SUSPENDED, Change(notices.RESUMED, "Ada", key=OTHER.spki)] * 600)
    first = site.file()
    assert (first.since, first.last) == (0, notices.MAX_CHANGES)
    site.world.manager.review(first)
    site.review(since=first.last, changes=site.changes[first.last :])
    with pytest.raises(Exception, match="more than"):
        notices.parse(b"x" * (2 * notices.MAX_SIZE + 1))


# What follows for developers.


def test_a_key_that_the_old_one_has_signed_is_followed(site: Told) -> None:
    site.decide(replaced(ada(site), NEW), replaced(NEW, THIRD))
    site.review()
    assert site.trusted()[1] == {ada(site).spki, THIRD.spki}, "what runs needs the old key"
    new = Developer("Ada", THIRD)
    again = renew(new, site.world.signed(), Validity(NOW - 9, NOW + 2 * YEAR), [ada(site).spki])
    site.world.manager.add_service(site.world.store.countersign(again))
    site.review()
    assert site.trusted()[1] == {THIRD.spki}
    site.world.check(site.world.manager.deployment("hall", "thermo"))


def test_the_new_key_may_sign_what_the_old_one_may(site: Told) -> None:
    key, both = ada(site), limits.SERVICE | limits.AGENT
    site.world.manager.change_trust(trust.with_developer("Ada", key.spki, both))
    site.decide(replaced(key, NEW))
    site.review(drop=True)
    ((_, kinds),) = bundles.developers_of(site.world.manager.bundle())
    assert kinds == both


def test_the_word_of_the_store_is_not_enough(site: Told) -> None:
    site.decide(replaced(ada(site), NEW, proven=False))
    for given in ((), (fingerprint(OTHER.spki),)):
        assert code_of(lambda given=given: site.review(*given)) == "fingerprint-wanted"  # type: ignore[misc]
    assert site.trusted()[1] == {ada(site).spki}
    site.review(fingerprint(NEW.spki).upper())
    assert NEW.spki in site.trusted()[1]


def test_a_proven_key_after_one_that_is_not(site: Told) -> None:
    site.decide(replaced(ada(site), NEW, proven=False), replaced(NEW, THIRD))
    assert code_of(site.review) == "fingerprint-wanted"
    site.review(fingerprint(THIRD.spki))
    assert THIRD.spki in site.trusted()[1]


def test_nobody_comes_in_whom_the_site_did_not_trust(site: Told) -> None:
    site.decide(
        Change(notices.APPROVED, "Eve", key=OTHER.spki),
        replaced(OTHER, NEW, name="Eve"),
        replaced(OTHER, NEW),  # Ada, but another key of hers
    )
    before = site.trusted()
    site.review(fingerprint(NEW.spki))
    assert site.trusted() == before


def test_the_new_key_of_a_suspended_developer_is_not_followed(site: Told) -> None:
    """A thief was faster, and has named a key of his own."""
    site.decide(replaced(ada(site), NEW), replace(SUSPENDED, key=NEW.spki))
    before = site.trusted()
    site.review()
    assert site.trusted() == before
    (concern,) = told_here(site)
    assert str(concern) == "thermo 1.0 on hall: developer suspended at Store: a reason"
    site.review(drop=True)
    assert site.trusted()[1] == set()


def told_here(site: Told) -> list[told.Concern]:
    with database.reading(site.world.manager.engine) as connection:
        return told.concerns(connection)


def number_here(site: Told) -> int:
    """The number that the metrics show."""
    with database.reading(site.world.manager.engine) as connection:
        return figures.read(connection, site.world.manager.issuer, site.world.now).concerns


def test_dropping_is_a_decision(site: Told) -> None:
    site.decide(replaced(ada(site), NEW))
    site.review(drop=True)
    assert site.trusted()[1] == {NEW.spki}
    call = lambda: site.world.manager.deployment("hall", "thermo")  # noqa: E731
    assert code_of(call) == "untrusted-signer"


def test_what_runs_of_a_withdrawn_release_is_named(site: Told) -> None:
    site.decide(Change(notices.WITHDRAWN, "thermo", "1.0"), Change(notices.WITHDRAWN, "x", "1"))
    site.review()
    (concern,) = told_here(site)
    assert str(concern) == "thermo 1.0 on hall: withdrawn at Store: a reason"
    assert number_here(site) == 1
    site.world.manager.add_service(site.world.package(version="1.1"))
    assert told_here(site) == []
    assert number_here(site) == 0


def test_a_store_says_nothing_about_what_another_one_has_sealed(site: Told) -> None:
    other = make_store("Shop")
    site.world.manager.trust_store(other.certificate)
    made = signed_package(site.ada, version="1.1")
    site.world.manager.add_service(other.countersign(made))
    site.decide(Change(notices.WITHDRAWN, "thermo", "1.1"), replace(SUSPENDED, key=NEW.spki))
    site.review()
    assert told_here(site) == []


# What follows for the keys of the Store.


def test_a_rotation_step_by_step(site: Told) -> None:
    old = site.key
    site.add_key()
    site.review()
    assert site.trusted()[0] == {old.spki, NEXT.spki}
    site.review(by=NEXT)  # it was activated
    site.world.manager.add_service(site.sealed(NEXT))
    site.list = listed(site, 3, NEXT)
    site.certificates.pop(0)
    site.review(by=NEXT)
    assert site.trusted()[0] == {NEXT.spki}
    site.world.check(site.world.manager.deployment("hall", "thermo"))
    assert code_of(lambda: site.review(by=old)) == "bad-notices"


def test_a_site_that_slept_through_two_rotations(site: Told) -> None:
    site.add_key()
    site.add_key(THIRD)
    site.list = listed(site, 9, THIRD)
    site.certificates = site.certificates[2:]
    site.review(by=THIRD)
    assert site.trusted()[0] == {site.key.spki, THIRD.spki}, "what runs needs the old key"
    site.world.manager.add_service(site.sealed(THIRD))
    site.review(by=THIRD)
    assert site.trusted()[0] == {THIRD.spki}


def test_the_certificate_of_a_new_key_must_name_the_root(site: Told) -> None:
    site.add_key(root=bytes(32))
    assert code_of(site.review) == "bad-notices"
    assert site.trusted()[0] == {site.key.spki}


def test_a_stolen_signing_key_names_no_other_root(site: Told) -> None:
    manager = site.world.manager
    for root in (bytes(32), b""):
        forged = certificate.self_signed_ca(site.key, "Store", VALID, root)
        assert code_of(lambda der=forged: manager.trust_store(der)) == "other-root"  # type: ignore[misc]
    renewed = certificate.self_signed_ca(site.key, "Store", VALID, site.list.root_mark)
    manager.trust_store(renewed)
    site.review()
    manager.distrust_store("Store")  # a person may begin anew
    manager.trust_store(certificate.self_signed_ca(site.key, "Store", VALID, bytes(32)))


def test_the_log_of_a_store_is_wanted_of_its_new_key_too(site: Told) -> None:
    policy = b"quorum none\n"
    site.world.manager.logs.replace_policy(site.key.spki, policy)
    site.add_key()
    site.review()
    assert site.world.manager.logs.policy(NEXT.spki) is not None


def test_a_store_whose_root_the_site_does_not_know(tmp_path: Path) -> None:
    """The site trusts the Store by a certificate of before the root."""
    with World(tmp_path / "site") as world:
        key = world.store.signer
        made = storekeys.make(ROOT, "Store", 1, (key.spki, NEXT.spki))
        own = certificate.self_signed_ca(key, "Store", VALID, made.root_mark)
        file = notices.make(key, "Store", NOW, 0, [own], made, [])
        found = world.manager.review(file)
        assert (found.root_unknown, found.stores) == (True, [])
        by_next = notices.make(NEXT, "Store", NOW, 0, [own], made, [])
        assert code_of(lambda: world.manager.review(by_next)) == "bad-notices"
        world.manager.trust_store(own)  # the same key, with a certificate that names the root
        assert not world.manager.review(
            notices.make(key, "Store", NOW, 0, [own], listed_one(key), [])
        ).root_unknown


def listed_one(key: KeySigner) -> StoreKeys:
    return storekeys.make(ROOT, "Store", 2, (key.spki,))


def test_a_history_is_taken_anew_by_a_person_alone(site: Told) -> None:
    site.decide(SUSPENDED)
    site.review()
    site.changes.clear()
    site.decide(Change(notices.WITHDRAWN, "thermo", "1.0"))
    assert code_of(site.review) == "notices-differ"
    site.world.manager.review(site.file(), anew=True)
    assert [one.what for one in told_here(site)] == ["withdrawn"]
    assert names.common_name(site.world.manager.bundle().store_keys[0][0]) == "Store"
