"""Databases that were restored from a backup: the site says so, and no bound of its is false."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.worlds.link_world import LinkWorld, close_nodes, serving
from tests.worlds.site_world import NOW, World, code_of, ends, make_developer
from triseal import database
from triseal.site import home
from triseal.site.errors import DatabaseBehind
from triseal.site.manager import Manager
from triseal.site.rules import restore
from triseal.site.server.signing.progress import Progress
from triseal.site.views.placements import places
from triseal.watermark import Watermark

LIFETIME = 5000
BACKUP = "backup.sqlite"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        made.manager.add_service(made.package())
        for name in ("hall", "kitchen"):
            made.add_node(name)
            made.manager.assign(name, "thermo")
        back_up(made)
        yield made


def back_up(world: World) -> None:
    with closing(sqlite3.connect(world.folder / home.DATABASE)) as live:
        live.execute("VACUUM INTO ?", (str(world.folder / BACKUP),))


def restored(world: World) -> Manager:
    """The site after its database was restored, as another process opens it."""
    world.manager.close()
    for suffix in ("-wal", "-shm"):
        (world.folder / (home.DATABASE + suffix)).unlink(missing_ok=True)
    shutil.copy(world.folder / BACKUP, world.folder / home.DATABASE)
    world.manager = world.open()
    return world.manager


def serial(world: World, node: str) -> bytes:
    return world.manager.deployment(node, "thermo").seal.serial.to_bytes(16, "big")


LOST: tuple[tuple[str, Callable[[World], object], str], ...] = (
    ("nothing", lambda _: None, ""),
    ("a grant", lambda w: w.manager.grant("thermo", ["log"]), "database-behind"),
    ("a node", lambda w: w.manager.add_node("attic"), "database-behind"),
    ("an undeployment", lambda w: w.manager.undeploy("hall", "thermo"), "database-behind"),
    ("a distrusted key", lambda w: w.manager.distrust_developer("Ada"), "database-behind"),
    ("a seal", lambda w: w.manager.deployment("hall", "thermo"), "database-behind"),
)
REFUSED: tuple[Callable[[Manager], object], ...] = (
    lambda m: m.grant("thermo", ["pin:4"]),
    lambda m: m.retire("kitchen"),
    lambda m: m.deployment("hall", "thermo"),
    lambda m: m.sign_time(bytes(16)),
    lambda m: m.trust_developer("Bob", make_developer("Bob").signer.spki),
    lambda m: m.check_clock(),
    lambda m: m.check_complete(),
)


@pytest.mark.parametrize(("what", "act", "code"), LOST, ids=[row[0] for row in LOST])
def test_what_a_backup_lacks_is_missed_until_a_person_has_seen_it(
    world: World, what: str, act: Callable[[World], object], code: str
) -> None:
    act(world)
    world.now += 60
    manager = restored(world)
    if code:
        assert {code_of(partial(call, manager)) for call in REFUSED} == {code}
    assert code_of(manager.check_complete) == code
    manager.accept_clock()  # a doubted clock must not be in the way
    done = manager.accept_restored()
    assert code_of(manager.check_complete) == ""
    assert done.until == world.now + LIFETIME
    assert manager.bundle().version == done.bundle_version > 4 - (what != "a distrusted key")
    with world.open() as again:
        assert code_of(again.check_complete) == ""
        again.grant("thermo", ["pin:4"])


def test_a_bound_after_a_restore_includes_seals_that_are_lost(world: World) -> None:
    world.manager.add_node("attic")
    world.now += 600
    held = serial(world, "hall")  # valid to NOW + 5600; the backup knows neither it nor the attic
    world.now += 60
    manager = restored(world)
    manager.accept_restored()
    until = world.now + LIFETIME
    for found, names in (
        (manager.grant("thermo", ["log"]), {"hall", "kitchen"}),
        (manager.retire("kitchen"), {"kitchen"}),
        (manager.guarantee_of_bundle(manager.bundle().version), {"hall", "kitchen"}),
    ):
        assert ends(found) == dict.fromkeys(names, until)
    # The hall says what it holds: a seal that the database does not know, and that lives on.
    world.now += 1
    manager.heard("hall", {"thermo": (held, "running")}, 3)
    assert ends(manager.guarantee(node="hall")) == {"hall": world.now + LIFETIME}
    # It took a new one: now it has confirmed, whatever was lost.
    world.now += 1
    manager.heard("hall", {"thermo": (serial(world, "hall"), "running")}, 3)
    assert manager.guarantee(node="hall").confirmed == ("hall",)
    world.now = until + 400
    assert manager.guarantee(service="thermo").waiting == {}


def test_a_service_is_not_shown_as_ended_while_a_lost_seal_may_live(world: World) -> None:
    first = serial(world, "hall")
    world.manager.heard("hall", {"thermo": (first, "running")}, 3)
    back_up_again(world)
    world.now += 4000
    world.manager.deployment("hall", "thermo")
    world.now += 1500
    manager = restored(world)
    manager.accept_restored()
    assert state(world) == "running"  # as it was heard; it may have the lost seal
    world.now += LIFETIME + 400
    assert state(world) == "ended"


def back_up_again(world: World) -> None:
    (world.folder / BACKUP).unlink()
    back_up(world)


def state(world: World) -> str | None:
    with database.reading(world.manager.engine) as connection:
        found = places(connection, world.manager.issuer, world.now)
    return {one.node: one.state for one in found}["hall"]


def test_what_was_recorded_after_a_transaction_began_is_not_missed(world: World) -> None:
    manager = world.manager
    with database.reading(manager.engine) as connection:
        restore.present(connection, manager.issuer)  # from now on it sees no change
        manager.grant("thermo", ["log"])
        manager.deployment("hall", "thermo")
        restore.check(connection, manager.issuer, manager.mark, world.now)


def test_seals_that_ended_long_ago_are_not_missed(world: World) -> None:
    world.manager.deployment("hall", "thermo")
    world.now += LIFETIME + 2 * 86400
    assert code_of(restored(world).check_complete) == ""


def test_a_crash_before_the_file_was_written_is_no_restore(world: World) -> None:
    mark = world.folder / restore.FILE
    before = mark.read_bytes()
    world.manager.grant("thermo", ["log"])
    world.manager.deployment("hall", "thermo")
    mark.write_bytes(before)
    with world.open() as again:
        assert code_of(again.check_complete) == ""
        again.grant("thermo", ["pin:4"])
    assert mark.read_bytes() != before
    mark.unlink()  # as before the first release that has it
    with world.open() as again:
        again.revoke("thermo", ["pin:4"])
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600


DAMAGED = (b"", b"{", b"[]", b'{"revision": "9"}', b'{"revision": -1}', b"[" * 99999, b"{}\0")


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_stops_what_needs_it(world: World, content: bytes) -> None:
    (world.folder / restore.FILE).write_bytes(content)
    with world.open() as again:
        assert code_of(lambda: again.grant("thermo", ["log"])) == "mark-damaged"
        assert code_of(again.check_complete) == "mark-damaged"


def test_a_file_that_cannot_be_written_is_an_error_and_a_server_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = Watermark(tmp_path / "missing" / "site.mark")
    assert code_of(lambda: mark.rise({"revision": 9})) == "mark-not-written"
    progress = Progress(mark)
    for number in range(3):
        progress.changed(number, 3)
    assert [record.message for record in caplog.records] == ["restores go unseen"]
    (tmp_path / "missing").mkdir()
    progress.changed(9, 3)
    assert Watermark(tmp_path / "missing" / "site.mark").get("revision") == 9


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    calls: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    yield calls
    monkeypatch.undo()


def test_seals_are_remembered_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = Watermark(tmp_path / "site.mark")
    progress = Progress(mark)
    with counted(monkeypatch) as calls:
        for second in range(100):
            for _ in range(50):
                progress.sealed(NOW + second)
    assert len(calls) == 10
    assert mark.get(restore.SEALED) == NOW + 90
    progress.end()
    assert Watermark(tmp_path / "site.mark").get(restore.SEALED) == NOW + 99


def test_a_running_server_notices_that_its_database_was_restored(tmp_path: Path) -> None:
    mark = Watermark(tmp_path / "site.mark")
    progress = Progress(mark)
    progress.changed(7, 3)
    progress.check(7)
    with pytest.raises(DatabaseBehind):
        progress.check(6)


def test_a_server_remembers_what_it_seals_and_sees(tmp_path: Path) -> None:
    with LinkWorld(tmp_path) as world:
        world.deploy("kitchen", "thermo")
        mark = Watermark(world.folder / restore.FILE)
        with serving(world) as site:
            world.node("kitchen", site.port).hello()
        close_nodes()
        with database.reading(world.manager.engine) as connection:
            have = restore.present(connection, world.manager.issuer)
        assert have == {name: mark.get(name) for name in have}
