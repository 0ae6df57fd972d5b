"""A Store whose database was restored never signs a second, different release of one version."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sealcore import seal
from tests.host.store.test_store import ADA, ADA_KEY, BOB, World
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import notices, request, signer
from triseal.certificate import Validity
from triseal.errors import DamagedStore
from triseal.log.entry import Entry
from triseal.package import Package
from triseal.signer import KeySigner
from triseal.store import recovery
from triseal.store.changes import Why
from triseal.store.recovery import Accepted
from triseal.store.store import DATABASE

BACKUP = "backup.sqlite"
WHY = Why("a reason", "local:eve")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store") as made:
        made.store.submit(package("1.0"))
        with closing(sqlite3.connect(made.home / DATABASE)) as live:
            live.execute("VACUUM INTO ?", (str(made.home / BACKUP),))
        yield made


def package(version: str, text: str = "pass", service: str = "blink") -> Package:
    return seals.package(ADA, service, version=version, executable=f"{text}\n".encode())


def restore(world: World) -> None:
    world.store.close()
    for suffix in ("-wal", "-shm"):
        (world.home / (DATABASE + suffix)).unlink(missing_ok=True)
    shutil.copy(world.home / BACKUP, world.home / DATABASE)
    world.store = world.open()


def test_a_restored_store_says_so_and_changes_nothing(world: World) -> None:
    given = world.store.submit(package("1.1"))[1]
    world.store.submit(package("1", service="lamp"))
    restore(world)
    proof = request.make(KeySigner(ADA_KEY), "Ada")
    longer = Validity(seals.LONG.not_before, seals.LONG.not_after + 1)
    for call in (
        lambda: world.store.submit(package("1.1", "x = 1")),
        lambda: world.store.register(proof),
        lambda: world.store.approve(world.bob.fingerprint),
        lambda: world.store.renew(longer),
    ):
        assert code_of(call) == "store-behind"
    assert world.store.get("blink")[0].version == "1.0"  # what there is can be read
    assert world.store.accept_restored() == Accepted(3, 2)
    assert code_of(lambda: world.store.submit(package("1.1", "x = 1"))) == "rollback"
    assert code_of(lambda: world.store.submit(package("1.0.5"))) == "rollback"
    assert seal.parse(given.store_seal, seal.STORE).service_version == "1.1"


ACCEPTED = (
    ("the same release again", lambda: package("1.1"), ""),
    ("a newer one", lambda: package("1.2", "x = 2"), ""),
    ("other content under its version", lambda: package("1.1", "x = 1"), "rollback"),
    ("the release of a service that is lost", lambda: package("1", service="lamp"), ""),
    ("other content of that service", lambda: package("1", "y = 1", "lamp"), "rollback"),
    (
        "that service of another developer",
        lambda: seals.package(BOB, "lamp", version="2"),
        "service-taken",
    ),
)


@pytest.mark.parametrize("lost", [False, True], ids=["with packages", "without packages"])
@pytest.mark.parametrize(("sentence", "make", "code"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_what_it_takes_afterwards(
    world: World, sentence: str, make: object, code: str, lost: bool
) -> None:
    assert callable(make)
    world.store.approve(world.bob.fingerprint)
    world.store.submit(package("1.1"))
    world.store.submit(package("1", service="lamp"))
    restore(world)
    if lost:
        shutil.rmtree(world.home / "public" / "v1")
    found = world.store.accept_restored()
    assert len(found.lost) == (2 if lost else 0)
    assert found.recovered == (1 if lost else 3)  # that Bob is approved, and the releases
    for _ in range(2):  # the second time as another process
        assert code_of(lambda: world.store.submit(make())) in {code, code or "rollback"}
        world.store.close()
        world.store = world.open()
    kept = {(one.service, one.version) for one in world.store.releases()}
    if lost:
        assert len(kept) == (1 if code else 2)
    else:
        before = {("blink", "1.0"), ("blink", "1.1"), ("lamp", "1")}
        assert kept == before | ({("blink", "1.2")} if sentence == "a newer one" else set())


def decided(world: World) -> None:
    """All that can be taken from the log again."""
    store = world.store
    store.approve(world.bob.fingerprint, WHY)
    for version in ("1.1", "1.2", "1.3"):
        store.submit(package(version))
    store.submit(seals.package(BOB, "lamp", version="1"))
    store.withdraw("blink", "1.1", WHY)
    store.quarantine("blink", "1.2", WHY)
    store.quarantine("blink", "1.3", WHY)
    store.clear("blink", "1.3", WHY)
    store.quarantine("lamp", "", WHY)
    store.suspend("Bob", WHY)
    store.resume("Bob", WHY)
    store.hand_over("blink", "Bob", WHY)
    store.archive("blink", WHY)


def public(world: World) -> dict[str, bytes]:
    top = world.home / "public"
    paths = [path for path in top.rglob("*") if path.is_file() and path.name != "checkpoint"]
    return {str(path.relative_to(top)): path.read_bytes() for path in paths}


def test_what_the_log_says_is_there_again(world: World) -> None:
    decided(world)
    store = world.store
    before = store.releases(), store.services(), store.changes(), store.developers(), public(world)
    assert {one.state for one in before[0]} == {"listed", "withdrawn", "quarantined"}
    restore(world)
    found = world.store.accept_restored()
    assert (found.releases, found.recovered, found.lost) == (5, 14, ())
    store = world.store
    store.publish()
    after = store.releases(), store.services(), store.changes(), store.developers(), public(world)
    assert after == before  # and no entry is made for what has one
    shutil.rmtree(world.home / "public" / "v1" / "services")
    (world.home / "public" / "v1" / "index.json").unlink()
    store.publish()
    pages = {path: data for path, data in public(world).items() if "index" not in path}
    assert pages == {path: data for path, data in before[4].items() if "index" not in path}
    world.now += 1
    world.store.reopen("blink", WHY)
    assert len(world.store.changes()) == len(before[2]) + 1


def test_a_developer_who_is_not_registered_any_more_registers_again(world: World) -> None:
    key = signer.generate("p256")
    eve, given = seals.developer("Eve", key), request.make(KeySigner(key), "Eve")
    world.store.approve(world.store.register(given).fingerprint)
    sealed = world.store.submit(seals.package(eve, "pump", version="1"))[1]
    restore(world)
    found = world.store.accept_restored()
    assert (found.releases, found.recovered, len(found.lost)) == (1, 0, 2)
    assert "pump 1" in found.lost[1]
    world.store.approve(world.store.register(given).fingerprint)
    assert world.store.accept_restored() == Accepted(2, 1)
    assert world.store.get("pump")[1].digest() == sealed.digest()
    assert world.store.accept_restored() == Accepted(2)


UNREADABLE = ("{", "[]", '{"reason": 1}', "[" * 1000)


@pytest.mark.parametrize("detail", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_decision_whose_details_can_not_be_read_is_named(detail: str) -> None:
    said = Entry(notices.WITHDRAWN, seals.NOW, "blink", "1.0", detail=detail)
    with pytest.raises(DamagedStore, match="no details"):
        recovery._decide(None, said)  # type: ignore[arg-type]  # it comes to no database


def test_nothing_is_missed_if_nothing_is_lost(world: World) -> None:
    restore(world)
    world.store.submit(package("1.1"))
    (world.home / "store.mark").unlink()  # as before the first release that has it
    world.store.close()
    world.store = world.open()
    world.store.submit(package("1.2"))
