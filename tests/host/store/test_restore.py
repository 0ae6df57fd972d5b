"""A Store whose database was restored never signs a second, different release of one version."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sealcore import seal
from tests.host.store.test_store import ADA, ADA_KEY, BOB, World, unlocked
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import notices, request, signer
from triseal.certificate import Validity
from triseal.copies import storefiles
from triseal.copies.mirror import Mirror
from triseal.errors import DamagedStore, NoContradiction
from triseal.keysource import NewKey
from triseal.log import checkpoint, forks
from triseal.log.checkpoint import Checkpoint
from triseal.log.entry import Entry
from triseal.log.writer import Folder
from triseal.package import Package
from triseal.signer import KeySigner
from triseal.storage import LocalFolder
from triseal.store import recovery
from triseal.store.changes import Why
from triseal.store.journal import FOLDER
from triseal.store.recovery import Accepted
from triseal.store.store import DATABASE, Store, init

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
    world.store.submit(package("1.2"))


class Lost:
    """A Store whose disk was lost, of which a backup is restored: all of its home but the mark.

    Attributes:
        newest: copy of the home before the loss, which sites and mirrors have seen.
    """

    def __init__(self, world: World, folder: Path) -> None:
        backup = folder / "backup"
        shutil.copytree(world.home, backup, ignore=shutil.ignore_patterns("store.mark"))
        self.digest = world.store.submit(package("1.1"))[1].digest()
        world.store.withdraw("blink", "1.0", WHY)
        world.store.close()
        self.newest = folder / "newest"
        world.home.rename(self.newest)
        shutil.copytree(backup, world.home)
        world.store = world.open()


def refill(world: World, source: Path) -> None:
    with world.store.refilling() as top:
        Mirror(top, storefiles.Folder(source), lambda *_: None).update()


def head(home: Path) -> Checkpoint:
    return checkpoint.parse((home / FOLDER / "checkpoint").read_bytes())


def test_a_store_whose_whole_home_was_restored_takes_its_log_from_a_mirror(
    world: World, tmp_path: Path
) -> None:
    lost = Lost(world, tmp_path)
    old = head(world.home)
    assert old.size < head(lost.newest).size
    for call in (lambda: world.store.submit(package("1.1", "x = 1")), world.store.check):
        assert code_of(call) == "store-behind"
    assert code_of(world.store.check_restored_log) == "log-may-be-old"
    assert head(world.home).note.data() == old.note.data(), "it has signed the old log again"
    refill(world, lost.newest)
    found = world.store.accept_restored()
    assert (found.releases, found.recovered, found.lost) == (2, 2, ())
    world.store.check_restored_log()
    assert head(world.home).note.data() == head(lost.newest).note.data()
    assert world.store.get("blink")[1].digest() == lost.digest
    assert world.store.check() == head(lost.newest).size
    world.store.submit(package("1.2"))
    before, after = head(lost.newest), head(world.home)
    tree = Folder(LocalFolder(world.home / FOLDER)).tree(after.size)
    with pytest.raises(NoContradiction):
        forks.make(world.store.log_key, before, after, tree.complete)


def test_a_mirror_of_another_store_or_of_before_the_backup_changes_nothing(
    world: World, tmp_path: Path
) -> None:
    backup = tmp_path / "before"
    shutil.copytree(world.home, backup)
    world.store.submit(package("1.0.1"))
    Lost(world, tmp_path)
    present = files_below(world.home)
    assert code_of(lambda: refill(world, backup)) == "log-stale"
    with World(tmp_path / "other") as other:
        other.store.submit(package("1.0"))
        assert code_of(lambda: refill(world, other.home)) == "unknown-log"
    assert files_below(world.home) == present


def test_a_store_that_has_published_nothing_since_the_backup_goes_on(world: World) -> None:
    (world.home / "store.mark").unlink()
    world.store.close()
    world.store = world.open()
    assert code_of(lambda: world.store.submit(package("1.1"))) == "store-behind"
    assert world.store.accept_restored() == Accepted(1)
    world.store.submit(package("1.1"))


def test_a_store_that_was_killed_after_its_first_change_was_not_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "store"
    init(home, "Shop", NewKey("p256"), seals.LONG)
    eve = request.make(KeySigner(signer.generate("p256")), "Eve")

    def killed(*_: object) -> None:
        raise OSError("killed")

    with closing(Store(home, lambda: unlocked(home))) as store, monkeypatch.context() as patch:
        patch.setattr("triseal.store.restore.rise", killed)
        with pytest.raises(OSError, match="killed"):
            store.register(eve)
    with closing(Store(home, lambda: unlocked(home))) as store:
        store.check()
        store.approve(store.register(eve).fingerprint)


def files_below(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
