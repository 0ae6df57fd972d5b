"""The files of a Store go into a bucket and back, and the move is cut off at any moment."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.host.store.test_bucket import server
from tests.host.store.test_store import World, versioned
from tests.worlds import bucket, seals
from tests.worlds.bucket import Cut, Server
from tests.worlds.site_world import code_of
from triseal import files, storage
from triseal.bucket import Bucket, Place
from triseal.certificate import Validity
from triseal.cli.main import main
from triseal.log import audit
from triseal.log.policy import Policy
from triseal.log.writer import Folder
from triseal.package import Package
from triseal.storage import LocalFolder
from triseal.store import authority
from triseal.store.changes import Why
from triseal.store.journal import FOLDER, PUBLIC
from triseal.store.ledger import OBJECTS
from triseal.store.pages import HELD
from triseal.store.server.health import Health
from triseal.store.server.metrics import Metrics
from triseal.store.store import Store

__all__ = ["server"]

WHY = Why("a reason", "Eve")
PARTS = OBJECTS, HELD, PUBLIC


def silent(step: str, done: int, total: int) -> None:
    """Report nothing."""


@pytest.fixture
def place(server: Server) -> Place:
    return server.place()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store") as made:
        made.store.submit(versioned("1.0"))
        made.store.submit(versioned("1.1"))
        made.store.quarantine("blink", "1.1", WHY)
        yield made


def contents(place: storage.Storage) -> dict[str, bytes]:
    return {
        f"{part}/{path}": place.below(part).read(path, 1 << 25)
        for part in PARTS
        for path in place.below(part).paths()
    }


def check_whole(world: World, entries: int, **promised: Package) -> None:
    """The Store serves all that it promised, and its log is whole, wherever it is."""
    with closing(world.open()) as store:
        folder = Folder(store.files.below(FOLDER))
        found = audit.audit(folder.head() or b"", folder.read, Policy(logs=[store.log_key]))
        assert found.size == entries
        for version, sealed in promised.items():
            assert store.get("blink", version.removeprefix("v").replace("_", "."))[1] == sealed


def move(world: World, to: Place | None) -> int:
    with closing(world.open()) as store:
        return store.move(to, silent)


def test_a_store_goes_into_a_bucket_and_back(world: World, place: Place) -> None:
    before = contents(world.store.files)
    assert move(world, place) == len(before)
    assert move(world, place) == 0  # it is there
    with closing(world.open()) as store:
        assert isinstance(store.files, Bucket)
        assert contents(store.files) == before
        made = store.submit(versioned("1.2"))[1]
        store.clear("blink", "1.1", WHY)  # at home the package is still in the folder `held`
        now = contents(store.files)
    check_whole(world, 6, v1_2=made)
    move(world, None)
    with closing(world.open()) as store:
        assert isinstance(store.files, LocalFolder)
        assert contents(store.files) == now
        assert not list((world.home / HELD).glob("*.triseal"))
        store.quarantine("blink", "1.2", WHY)
        later = contents(store.files)
    move(world, place)
    with closing(world.open()) as store:
        assert contents(store.files) == later  # and what is held back is nowhere public
    check_whole(world, 7)


@pytest.mark.parametrize("after", [False, True])
def test_a_move_into_a_bucket_is_cut_off_at_any_write(
    world: World, server: Server, after: bool
) -> None:
    expected = contents(world.store.files)
    number = 0
    place = server.place()
    while True:
        with closing(world.open()) as store:
            client = Bucket(place, world.home / storage.LOCKS)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(storage, "at", lambda *_, client=client: client)
                try:
                    with bucket.ending(client, number, after=after):
                        store.move(place, silent)
                    break
                except Cut:
                    pass
        with closing(world.open()) as store:
            assert isinstance(store.files, LocalFolder)  # it is where it was
            assert contents(store.files) == expected
        number += 1
        if number % 3 == 0:
            place = server.place()  # else it goes on with what is there
    assert number > 3
    with closing(world.open()) as store:
        assert isinstance(store.files, Bucket)
        assert contents(store.files) == expected
    check_whole(world, 4)


def test_a_move_into_the_home_is_cut_off_at_any_write(
    world: World, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(world, place)
    for part in PARTS:
        world.store.files.below(part).discard()
    with closing(world.open()) as store:
        expected = contents(store.files)
    number, left, real = 0, 0, files.write_pieces

    def write(path: Path, *given: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Cut
        real(path, *given)

    monkeypatch.setattr(files, "write_pieces", write)
    while True:
        left = number
        if number % 2:  # else it goes on with what is there
            for part in PARTS:
                LocalFolder(world.home).below(part).discard()
        try:
            move(world, None)
            break
        except Cut:
            number += 1
        with closing(world.open()) as store:
            assert isinstance(store.files, Bucket)
            assert contents(store.files) == expected
    assert number > 5
    with closing(world.open()) as store:
        assert contents(store.files) == expected
    check_whole(world, 4)


def test_what_happens_meanwhile_is_moved_too(world: World, place: Place) -> None:
    made: list[Package] = []

    def report(step: str, done: int, total: int) -> None:
        if step == PUBLIC and not made:
            made.append(world.store.submit(versioned("1.2"))[1])
            world.store.quarantine("blink", "1.0", WHY)

    with closing(world.open()) as store:
        store.move(place, report)
    check_whole(world, 6, v1_2=made[0])
    with closing(world.open()) as store:
        assert contents(store.files) == contents(world.store.files)


def test_a_process_that_knows_the_old_place_changes_nothing(world: World, place: Place) -> None:
    old = world.store
    before = contents(old.files)
    move(world, place)
    for change in (
        lambda: old.submit(versioned("1.2")),
        lambda: old.withdraw("blink", "1.0", WHY),
        lambda: old.renew(Validity(seals.LONG.not_before, seals.LONG.not_after + 9)),
        old.check,
        lambda: old.move(Place("other"), silent),
        lambda: old._ledger.journal.refresh(0),
    ):
        assert code_of(change) == "store-moved"
    assert contents(old.files) == before
    assert authority.load_certificate(world.home).der == old.certificate.der
    (found,) = asyncio.run(Health(old, Metrics()).stopping())
    assert (found.code, found.stops) == ("store-moved", True)
    check_whole(world, 4)


def test_files_of_others_are_never_touched(world: World, place: Place, tmp_path: Path) -> None:
    Bucket(place, tmp_path).write_all({"public/other": b"x"})
    with closing(world.open()) as store:
        assert code_of(lambda: store.move(place, silent)) == "already-exists"
    with World(tmp_path / "other") as other:
        mine = Place(place.bucket, "mine", place.endpoint)
        move(other, mine)
        assert code_of(lambda: move(world, mine)) == "already-exists"
    with closing(world.open()) as store:
        assert isinstance(store.files, LocalFolder)


def test_a_bucket_of_the_same_name_on_another_server_is_another_place(
    world: World, place: Place, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with bucket.running(tmp_path / "other") as other:
        there = replace(place, endpoint=other.endpoint)
        Bucket(there, tmp_path)._client().create_bucket(Bucket=there.bucket)
        copied = move(world, place)
        old = world.open()
        assert move(world, replace(place, endpoint=place.endpoint + "/")) == 0
        assert move(world, there) == copied
        with closing(old):
            assert code_of(lambda: old.withdraw("blink", "1.0", WHY)) == "store-moved"
        with closing(world.open()) as store:
            assert store.files.server == other.endpoint
        check_whole(world, 4)


def test_an_older_copy_of_the_home_takes_no_files_away(
    world: World, place: Place, tmp_path: Path
) -> None:
    home = world.home
    backup = shutil.copytree(home, tmp_path / "backup")
    move(world, place)
    with closing(world.open()) as store:
        store.submit(versioned("1.2"))
        before = contents(store.files)
    world.home = backup
    assert code_of(lambda: move(world, place)) == "already-exists"
    with closing(world.open()) as store:
        assert isinstance(store.files, LocalFolder)
    world.home = home
    with closing(world.open()) as store:
        assert contents(store.files) == before


def test_folders_that_are_links_are_moved_too_and_those_that_cannot_be_read_are_told(
    world: World, place: Place, tmp_path: Path
) -> None:
    before = contents(world.store.files)
    folder = next(one for one in (world.home / OBJECTS).iterdir() if one.is_dir())
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert contents(world.store.files) == before
    folder.unlink()
    folder.symlink_to(folder)
    folder = world.home / OBJECTS / "loop"
    folder.mkdir()
    (folder / "again").symlink_to(folder)
    with pytest.raises(OSError, match=r"symbolic links|too long"):
        move(world, place)
    with closing(world.open()) as store:
        assert isinstance(store.files, LocalFolder)


def test_the_command(world: World, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["store", "move", "--home", str(world.home)]
    assert main(words) == 2
    assert main([*words, "--into-home", "--bucket", str(place)]) == 2
    assert main([*words, "--bucket", str(place), "--endpoint", "http://127.0.0.1:9"]) == 1
    assert "bucket-unreachable" in capfd.readouterr().err
    assert main([*words, "--bucket", str(place), "--endpoint", place.endpoint, "--json"]) == 0
    assert str(place) in capfd.readouterr().out
    assert main([*words, "--into-home", "--json"]) == 0
    with closing(world.open()) as store:
        assert isinstance(store, Store)
        assert isinstance(store.files, LocalFolder)
