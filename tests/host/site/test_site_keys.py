"""The change of a site's key: which step may follow which, what it waits for, what it signs."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealcore import names, seal, signedtime
from tests.worlds import postgres
from tests.worlds.site_world import NOW, PASSPHRASE, World, code_of, ends
from triseal import bundles, database
from triseal.site import home
from triseal.site.manager import Manager
from triseal.site.records import tables

STEPS: dict[str, Callable[[Manager], object]] = {
    "prepare": lambda site: site.prepare_key(),
    "activate": lambda site: site.activate_key(),
    "cancel": lambda site: site.cancel_key(),
    "taint": lambda site: site.taint_key(),
    "revoke": lambda site: site.revoke_key(),
}
# The states of the keys, the steps that may follow, and the one that is taken.
STATES = (
    (["active"], "prepare"),
    (["active", "prepared"], "cancel"),
    (["active", "revoked"], "prepare"),
    (["active", "revoked", "prepared"], "activate"),
    (["old", "revoked", "active"], "taint"),
    (["tainted", "revoked", "active"], "revoke"),
    (["revoked", "revoked", "active"], "prepare"),
    (["revoked", "revoked", "active", "prepared"], "activate"),
)
ALSO = {"activate": "cancel", "cancel": "activate"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        yield made


@pytest.fixture
def kitchen(world: World) -> World:
    """A site with one node, which holds a seal and has said so."""
    world.manager.add_service(world.package())
    world.add_node("kitchen")
    world.manager.assign("kitchen", "thermo")
    hear(world)
    return world


def hear(world: World, version: int = 0) -> None:
    """The node connects: it gets a seal, and says that it has it, and which trust bundle."""
    made = world.manager.deployment("kitchen", "thermo").seal
    serial = made.serial.to_bytes(16, "big")
    newest = world.manager.bundle()
    mark = None if version else newest.mark
    told = {"thermo": (serial, "running")}
    world.manager.heard("kitchen", told, version or newest.version, bundle_mark=mark)


def states(site: Manager) -> list[object]:
    return [key["state"] for key in site.site_keys()]


def walk(world: World) -> None:
    """Through all states; in each of them every other step is refused, and changes nothing."""
    for expected, following in STATES:
        site = world.manager
        assert states(site) == expected
        assert site.key_progress().next in (following, ALSO.get(following))
        for step, do in STEPS.items():
            if step not in (following, ALSO.get(following)):
                assert code_of(functools.partial(do, site)) == "wrong-step", (expected, step)
        assert states(site) == expected
        STEPS[following](site)


def test_each_step_in_each_state(world: World) -> None:
    walk(world)


def test_each_step_in_each_state_on_postgresql(tmp_path: Path) -> None:
    reason = postgres.missing()
    if reason:
        pytest.skip(reason)
    with postgres.running() as url, World(tmp_path / "site", database=postgres.database(url)) as it:
        walk(it)


def waits(world: World) -> dict[str, int]:
    """When the last seal ends that holds up the next step, by node."""
    site = world.manager
    return ends(site.guarantee_of_key(site.key_progress()))


def signer_of(world: World) -> str:
    """The name of the key that signs the node's seals."""
    der = world.manager.deployment("kitchen", "thermo").seal.der
    return str(names.common_name(seal.parse(der, seal.SITE).issuer))


def test_a_node_that_does_not_know_the_key_holds_up_the_next_step(kitchen: World) -> None:
    site, lifetime = kitchen.manager, kitchen.manager.lifetime
    sealed = kitchen.now
    kitchen.now += 10
    site.prepare_key()
    assert waits(kitchen) == {"kitchen": sealed + lifetime}
    assert site.key_waits_for() == ["kitchen"]
    assert code_of(site.activate_key) == "nodes-waiting"
    hear(kitchen)
    assert waits(kitchen) == {}
    site.activate_key()
    assert waits(kitchen) == {"kitchen": kitchen.now + lifetime}, "its seal lives to its end"
    assert site.key_waits_for() == [], "to taint, nobody must wait"
    site.taint_key()
    assert code_of(site.revoke_key) == "nodes-waiting"
    hear(kitchen)
    assert waits(kitchen) == {}
    before = site.bundle().version
    assert site.revoke_key() == before + 1
    assert site.guarantee_of_key(site.key_progress()).ended == ("kitchen",), "it has not said so"
    hear(kitchen)
    assert site.guarantee_of_key(site.key_progress()).confirmed == ("kitchen",)


def test_a_node_whose_seals_have_ended_holds_up_only_the_last_step(kitchen: World) -> None:
    site = kitchen.manager
    site.prepare_key()
    kitchen.now += 2 * site.lifetime
    found = site.guarantee_of_key(site.key_progress())
    assert (found.ended, found.waiting) == (("kitchen",), {})
    site.activate_key()
    site.taint_key()
    assert site.key_waits_for() == ["kitchen"]
    assert code_of(site.revoke_key) == "nodes-waiting"
    hear(kitchen, version=site.bundle().version)
    site.revoke_key()


@pytest.mark.parametrize("way", ["retired", "forced"])
def test_a_node_that_is_gone(kitchen: World, way: str) -> None:
    site = kitchen.manager
    site.prepare_key()
    if way == "retired":
        site.retire("kitchen")
        kitchen.now += 2 * site.lifetime
    force = way == "forced"
    site.activate_key(force=force)
    site.taint_key()
    site.revoke_key(force=force)
    assert states(site) == ["revoked", "active"]


def test_the_new_key_signs_from_activate_on(kitchen: World) -> None:
    site = kitchen.manager
    first = site.authority
    assert signer_of(kitchen) == "SLCA of house"
    site.prepare_key()
    assert signer_of(kitchen) == "SLCA of house"
    hear(kitchen)
    site.activate_key()
    assert signer_of(kitchen) == "SLCA 2 of house"
    kitchen.check(site.deployment("kitchen", "thermo"))
    kitchen.add_node("hall")
    with kitchen.open() as other:  # another process, which opens the key itself
        assert other.authority.issuer.spki == site.issuer.spki != first.issuer.spki
        assert other.authority.oldest.issuer.spki == first.issuer.spki, "all nodes know that one"
        assert other.authority.known_to(1).issuer.spki == first.issuer.spki
    site.taint_key()
    hear(kitchen)
    site.revoke_key(force=True)
    newest = site.bundle()
    assert [bytes(key) for _, key in newest.site_keys] == [site.issuer.spki]
    assert site.authority.oldest.issuer.spki == site.issuer.spki
    kitchen.check(site.deployment("kitchen", "thermo"))


def test_a_process_that_was_open_before_goes_on_with_the_new_key(kitchen: World) -> None:
    with kitchen.open() as other:
        other.unlock()
        kitchen.manager.prepare_key()
        hear(kitchen)
        kitchen.manager.activate_key()
        kitchen.manager.taint_key()
        hear(kitchen)
        kitchen.manager.revoke_key()
        assert other.bundle().version == kitchen.manager.bundle().version
        made = other.trust_developer("Bob", kitchen.store.signer.spki)
        assert kitchen.manager.bundle().version == made.version, "the new key signed it"
        der = other.deployment("kitchen", "thermo").seal.der
        assert names.common_name(seal.parse(der, seal.SITE).issuer) == "SLCA 2 of house"


def test_a_revoked_key_can_not_add_a_trust_bundle_to_the_database(kitchen: World) -> None:
    site = kitchen.manager
    thief = site.authority
    for step in ("prepare", "activate", "taint", "revoke"):
        STEPS[step](site)
        hear(kitchen)
    newest = site.bundle()
    keys: tuple[list[tuple[bytes, bytes]], ...] = [thief.issuer.entry], [], []
    forged = bundles.simple(thief._signer, newest.version + 1, "house", kitchen.now, keys)
    with database.writing(site.engine) as connection:
        row = {"version": newest.version + 1, "der": forged}
        connection.execute(tables.bundles.insert().values(row))
    assert site.bundle().version == newest.version


def test_without_the_file_of_the_new_key_nothing_changes(kitchen: World) -> None:
    kitchen.manager.prepare_key()
    hear(kitchen)
    path = home.key_file(kitchen.folder, 2)
    away = path.rename(path.with_suffix(".away"))
    with pytest.raises(FileNotFoundError):
        kitchen.manager.activate_key()
    assert states(kitchen.manager) == ["active", "prepared"]
    assert signer_of(kitchen) == "SLCA of house"
    away.rename(path)
    kitchen.manager.activate_key()
    assert signer_of(kitchen) == "SLCA 2 of house"


def test_files_of_an_interrupted_prepare_are_not_used(world: World) -> None:
    left = home.key_file(world.folder, 2)
    left.write_text("anything")
    world.manager.prepare_key()
    assert [key["number"] for key in world.manager.site_keys()] == [1, 3]
    assert left.read_text() == "anything"


@pytest.mark.parametrize(
    ("algorithm", "expected"), [("", "p256"), ("rsa2048", "rsa2048"), ("p256", "p256")]
)
def test_the_kind_of_the_new_key(world: World, algorithm: str, expected: str) -> None:
    world.manager.prepare_key(algorithm)
    assert [key["algorithm"] for key in world.manager.site_keys()] == ["p256", expected]


def test_the_new_key_has_the_passphrase_of_the_present_one(tmp_path: Path) -> None:
    founding = home.Founding("house", "p256")
    home.init(tmp_path / "site", founding, PASSPHRASE, NOW)
    asked = []

    def ask() -> bytes:
        asked.append(1)
        return PASSPHRASE

    with Manager(tmp_path / "site", ask, lambda: NOW) as site:
        site.prepare_key()
        site.activate_key()
    text = home.key_file(tmp_path / "site", 2).read_text()
    assert "ENCRYPTED" in text
    with Manager(tmp_path / "site", lambda: b"wrong", lambda: NOW) as site:
        assert code_of(site.unlock) == "wrong-passphrase"


def test_a_certificate_of_another_key_is_refused(world: World) -> None:
    world.manager.prepare_key()
    (world.folder / "site-2.crt").write_bytes((world.folder / "site.crt").read_bytes())
    assert code_of(world.open) == "site-incomplete"


@pytest.mark.parametrize("years", [1, 21], ids=["before its end", "after its end"])
def test_the_certificate_of_the_key_is_renewed(world: World, years: int) -> None:
    site = world.manager
    with world.open() as other:
        world.now += years * 365 * 86400
        if years > 20:
            assert code_of(site.check_clock) == "certificate-not-valid"
        before = site.issuer
        assert site.renew_certificate() == world.now + 20 * 365 * 86400
        site.check_clock()
        assert (site.issuer.spki, site.issuer.name) == (before.spki, before.name)
        other.key_progress()
        assert other.issuer.validity == site.issuer.validity, "another process has read it"
    site.trust_developer("Bob", world.store.signer.spki)
    site.prepare_key()
    assert states(site) == ["active", "prepared"]


def test_another_server_needs_the_files_of_the_key_once_it_is_active(tmp_path: Path) -> None:
    with World(tmp_path / "one", database=str(tmp_path / "site.sqlite")) as world:
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        with Manager(tmp_path / "two", lambda: PASSPHRASE, lambda: NOW) as other:
            other.unlock()
            world.manager.prepare_key()
            assert other.site_keys()[1]["not_after"] is None
            assert other.bundle().version == world.manager.bundle().version
            other.sign_time(bytes(16))
            world.manager.activate_key()
            assert code_of(lambda: other.sign_time(bytes(16))) == "site-incomplete"
            for name in ("site-2.key", "site-2.crt"):
                shutil.copy2(tmp_path / "one" / name, tmp_path / "two" / name)
            signed = other.sign_time(bytes(16))
            newest = other.bundle()
            assert signedtime.read(signed, newest.site_keys[1:], "house", bytes(16)) == NOW
