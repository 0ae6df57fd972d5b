"""Whom the site trusts: the last bundle that its key signed, and what a person asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealcore import sealwriter
from tests.worlds.site_world import (
    NOW,
    World,
    code_of,
    ends,
    make_developer,
    make_store,
    signed_package,
)
from triseal import bundles, database, signer
from triseal.signer import KeySigner, Signer
from triseal.site import home
from triseal.site.records import holdings, tables
from triseal.site.records.placement import Place
from triseal.site.rules.trust import Difference
from triseal.site.views.placements import places

LIFETIME = 5000


def two_nodes(made: World) -> None:
    made.manager.add_service(made.package())
    for name in ("hall", "kitchen"):
        made.add_node(name)
        made.manager.assign(name, "thermo")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site", begin=two_nodes) as made:
        yield made


def why(world: World) -> dict[str, str | None]:
    with database.reading(world.manager.engine) as connection:
        found = places(connection, world.manager.issuer, world.now)
    return {f"{one.node}/{one.service}": one.why for one in found}


DISTRUSTED: tuple[tuple[str, Callable[[World], object], str], ...] = (
    ("its developer", lambda w: w.manager.distrust_developer("Ada"), "the developer Ada"),
    ("its Store", lambda w: w.manager.distrust_store("Store"), "the Store Store"),
)


@pytest.mark.parametrize(("who", "act", "named"), DISTRUSTED, ids=[row[0] for row in DISTRUSTED])
def test_a_service_is_not_sealed_once_the_site_distrusts(
    world: World, who: str, act: Callable[[World], object], named: str
) -> None:
    sealed = world.manager.deployment("hall", "thermo").seal
    serial = sealed.serial.to_bytes(16, "big")
    world.manager.heard("hall", {"thermo": (serial, "running")}, 3)
    act(world)
    assert code_of(lambda: world.manager.deployment("hall", "thermo")) == "untrusted-signer"
    assert code_of(lambda: world.manager.assign("kitchen", "thermo")) == "untrusted-signer"
    reason = f"untrusted-signer: the site does not trust {named}"
    assert why(world) == {"hall/thermo": reason, "kitchen/thermo": reason}
    # The seal that the node holds is no longer the desired state, whatever the node says.
    assert ends(world.manager.guarantee(service="thermo")) == {"hall": NOW + LIFETIME}
    world.manager.grant("thermo", ["log"])  # what is kept must not be in the way of a change
    assert world.manager.undeploy("hall", "thermo").confirmed == ()


def test_trusted_again_it_is_sealed_again(world: World) -> None:
    world.manager.distrust_developer("Ada")
    world.manager.trust_developer("Ada", world.developer.signer.spki)
    world.check(world.manager.deployment("hall", "thermo"))
    assert why(world) == {"hall/thermo": None, "kitchen/thermo": None}


def test_the_bound_of_distrust_holds_for_a_node_that_cannot_store_the_bundle(world: World) -> None:
    eve = make_developer("Eve")
    world.manager.trust_developer("Eve", eve.signer.spki)
    world.manager.add_service(world.store.countersign(signed_package(eve, "lamp")))
    for node in ("hall", "kitchen"):
        world.manager.assign(node, "lamp")
        world.manager.deployment(node, "lamp")
    world.manager.deployment("hall", "thermo")
    version = world.manager.distrust_developer("Ada").version
    found = world.manager.guarantee_of_bundle(version)
    # No seal of hers was made for the kitchen.
    assert (ends(found), found.confirmed) == ({"hall": NOW + LIFETIME}, ("kitchen",))
    world.now += 3000
    world.manager.deployment("hall", "lamp")  # connected as before, with the old bundle
    assert world.manager.guarantee_of_bundle(version).waiting == found.waiting
    world.manager.heard("hall", {}, version)
    assert world.manager.guarantee_of_bundle(version).confirmed == ("hall", "kitchen")


def test_what_changes_is_shown_before_it_is_signed(world: World) -> None:
    seen: list[tuple[int, list[Difference]]] = []

    def show(differences: list[Difference]) -> None:
        seen.append((world.manager.bundle().version, differences))

    other = make_store("Other")
    world.manager.trust_store(other.certificate, show)
    world.manager.trust_store(other.certificate, show)  # changes nothing
    world.manager.distrust_store("Other", show)
    told = [(version, [(key.added, key.kind, key.name) for key in keys]) for version, keys in seen]
    assert told == [(3, [(True, "store", "Other")]), (4, [(False, "store", "Other")])]


def test_a_change_that_is_no_longer_the_shown_one_is_not_signed(world: World) -> None:
    def meanwhile(_: list[Difference]) -> None:
        with world.open() as other:
            other.distrust_developer("Ada")

    assert code_of(lambda: world.manager.distrust_developer("Ada", meanwhile)) == "unknown-key"
    spki = world.developer.signer.spki
    again = lambda: world.manager.trust_developer("Ada", spki, trusts(world, spki))  # noqa: E731
    assert code_of(again) == "changed-meanwhile"
    assert world.manager.bundle().version == 5


def trusts(world: World, spki: bytes) -> Callable[[list[Difference]], None]:
    def meanwhile(_: list[Difference]) -> None:
        with world.open() as other:
            other.trust_developer("Ada", spki)

    return meanwhile


def made_by(world: World, key: Signer, *signers: Signer, site: str = "house") -> bytes:
    """The next bundle of an attacker, who adds a key of its own everywhere, also as root."""
    mallory = (sealwriter.name("Mallory"), key.spki)
    own = (world.manager.issuer.name, world.manager.issuer.spki)
    version = world.manager.bundle().version + 1
    keys = [own, mallory], [mallory], bundles.listed([mallory])
    tbs = sealwriter.bundle_tbs(version, site, NOW, bundles.one_root(key), *keys)
    return bundles.signed(tbs, *signers)


def forged(world: World) -> bytes:
    """A bundle of somebody who can write to the database but does not have a root's key."""
    key = KeySigner(signer.generate("p256"))
    return made_by(world, key, key)


def of_the_site_key(world: World) -> bytes:
    """A bundle of a thief of the server, who has the site's key."""
    key = world.manager.authority._signer
    return made_by(world, key, key)


def of_another_site(world: World) -> bytes:
    (root,) = world.manager.signers
    return made_by(world, root, root, site="farm")


def without_signature(world: World) -> bytes:
    (root,) = world.manager.signers
    return made_by(world, root)


FORGED: tuple[tuple[str, Callable[[World], bytes]], ...] = (
    ("signed by another key", forged),
    ("signed by the site's key", of_the_site_key),
    ("signed by nobody", without_signature),
    ("no bundle at all", lambda _: b"0"),
    ("an older one of the site under a higher version", lambda w: w.manager.bundle().der),
    ("signed by the same key for another site", of_another_site),
)


@pytest.mark.parametrize("changes_roots", [False, True])
@pytest.mark.parametrize(("sentence", "make"), FORGED, ids=[row[0] for row in FORGED])
def test_rows_of_others_never_reach_a_bundle(
    world: World, sentence: str, make: Callable[[World], bytes], changes_roots: bool
) -> None:
    before = world.manager.bundle()
    version = 9 if "older" in sentence else before.version + 1
    row = {"version": version, "der": make(world), "changes_roots": changes_roots}
    with database.writing(world.manager.engine) as connection:
        connection.execute(tables.bundles.insert().values(row))
    assert world.manager.bundle().der == before.der
    with world.open() as reopened:
        spki = make_developer("Bob").signer.spki
        after = reopened.trust_developer("Bob", spki)
    after.check_update(before)
    assert after.version == before.version + 1
    assert len(after.site_keys) == len(after.store_keys) == 1
    added = sealwriter.name("Ada"), world.developer.signer.spki
    both = bundles.listed([added, (sealwriter.name("Bob"), spki)])
    assert bundles.developers_of(after) == tuple(sorted(both))
    with database.reading(world.manager.engine) as connection:
        assert connection.execute(tables.bundles.select()).all()[-1].version == after.version


def test_a_site_whose_database_holds_no_bundle_of_its_roots(world: World) -> None:
    with database.writing(world.manager.engine) as connection:
        connection.execute(tables.bundles.update().values(der=forged(world)))
    # The first bundle is in the site's folder: it trusts nobody but the site.
    with world.open() as reopened:
        assert (reopened.bundle().version, reopened.bundle().store_keys) == (1, [])
    (world.folder / home.FIRST).write_bytes(forged(world)[:-1])
    assert code_of(world.open) == "site-incomplete"
    (world.folder / home.FIRST).unlink()
    assert code_of(world.open) == "site-incomplete"


def test_rows_with_names_of_developers_add_no_trust(world: World) -> None:
    eve = make_developer("Eve")
    with database.writing(world.manager.engine) as connection:
        table = tables.developer_keys
        row = {"name": "Eve", "spki": eve.signer.spki}
        for entry in (bytes(32), sealwriter.entry_hash(sealwriter.name("Ada"), eve.signer.spki)):
            connection.execute(table.insert().values(entry=entry, **row))
        connection.execute(table.update().where(table.c.name == "Ada").values(name="Mallory"))
    package = world.store.countersign(signed_package(eve, "lamp"))
    assert code_of(lambda: world.manager.add_service(package)) == "untrusted-signer"
    # Ada's name is lost, and her hash still names her.
    assert code_of(lambda: world.manager.distrust_developer("Mallory")) == "unknown-key"
    ((entry, _),) = bundles.developers_of(world.manager.bundle())
    assert bundles.developers_of(world.manager.distrust_developer(entry.hex())) == ()


LIFETIMES = (-5000, 0, 30 * 86400 + 1)


@pytest.mark.parametrize("seconds", LIFETIMES)
def test_a_lifetime_that_no_site_has_is_not_signed(world: World, seconds: int) -> None:
    with database.writing(world.manager.engine) as connection:
        connection.execute(tables.site.update().values(lifetime=seconds))
    assert code_of(world.open) == "site-incomplete"


def test_a_board_at_a_cable_cannot_write_names_that_it_was_never_given(world: World) -> None:
    sealed = world.manager.deployment("hall", "thermo").seal.serial.to_bytes(16, "big")
    names = ("thermo", "lamp", "a\0b", "x" * 63)
    world.manager.heard("hall", dict.fromkeys(names, (sealed, "running")), 3)
    with database.reading(world.manager.engine) as connection:
        kept = connection.scalars(
            tables.holdings.select().with_only_columns(tables.holdings.c.service)
        ).all()
        assert kept == ["thermo"]
        assert holdings.serial(connection, Place("hall", "thermo")) == sealed
