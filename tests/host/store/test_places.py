"""Where the files of a Store are, for all computers that share its database."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from tests.host.store.test_bucket import server
from tests.host.store.test_moving import PARTS, WHY, contents, silent
from tests.host.store.test_store import ADA
from tests.worlds import bucket, seals
from tests.worlds.bucket import Server
from tests.worlds.site_world import code_of
from triseal import database, request, storage
from triseal.bucket import Bucket, Place
from triseal.cli.main import main
from triseal.errors import StoreMoved
from triseal.keysource import NewKey
from triseal.log import audit
from triseal.log.policy import Policy
from triseal.log.writer import Folder
from triseal.package import Package
from triseal.storage import LocalFolder, Whereabouts
from triseal.store import authority, moving, places
from triseal.store.journal import FOLDER, PUBLIC
from triseal.store.moving import Move
from triseal.store.places import Kept
from triseal.store.store import DATABASE, Store, init
from triseal.store.tables import PLACES

__all__ = ["server"]

_SOON = 0.5  # seconds in which who does not wait has been


class Computers:
    """A Store that two computers share: one database, and a copy of the home for each.

    Args:
        top: folder for their homes.
        url: of the database.
        place: the bucket in which the Store begins.
    """

    def __init__(self, top: Path, url: str, place: Place) -> None:
        self.homes = top / "one", top / "two"
        self.url = url
        init(self.homes[0], "Shop", NewKey("p256"), seals.LONG, bucket=place)
        self.first = self.open(0)
        self.first.approve(self.first.register(request.make(ADA.signer, "Ada")).fingerprint)
        self.first.submit(versioned("1.0"))
        shutil.copytree(*self.homes)
        self.second = self.open(1)

    def open(self, which: int) -> Store:
        home = self.homes[which]
        unlock = partial(authority.unlock, home, bytes)
        return Store(home, unlock, self.url, lambda: seals.NOW)

    def again(self, which: int) -> Store:
        """Start the program on one computer again."""
        known = (self.first, self.second)[which]
        known.close()
        fresh = self.open(which)
        if which:
            self.second = fresh
        else:
            self.first = fresh
        return fresh

    def close(self) -> None:
        self.first.close()
        self.second.close()


@pytest.fixture
def shared(tmp_path: Path, url: str | None, place: Place) -> Iterator[Computers]:
    with closing(Computers(tmp_path, url or str(tmp_path / "shared.sqlite"), place)) as made:
        yield made


@pytest.fixture
def place(server: Server) -> Place:
    return server.place()


def versioned(version: str) -> Package:
    """A release with files of its own."""
    return seals.package(ADA, version=version, executable=f"x = {version!r}\n".encode())


def entries(store: Store) -> int:
    """Number of entries of the log, which is computed again."""
    folder = Folder(store.files.below(FOLDER))
    return audit.audit(folder.head() or b"", folder.read, Policy(logs=[store.log_key])).size


def everything(files: storage.Storage) -> dict[str, bytes]:
    return {path: files.read(path, 1 << 25) for path in files.paths()}


def test_a_computer_that_was_not_stopped_writes_nothing_at_the_old_place(
    shared: Computers, server: Server, place: Place
) -> None:
    old, there = shared.second, server.place()
    old.submit(versioned("1.1"))
    shared.first.move(there, silent)
    before = everything(old.files)
    for attempt in (
        lambda: old.submit(versioned("1.2")),
        lambda: old.withdraw("blink", "1.0", WHY),
        lambda: old.refresh(0),
        lambda: old.move(server.place(), silent),
        old.publish,
        old.check,
        old.check_place,
    ):
        assert code_of(attempt) == "store-moved"
    assert everything(old.files) == before
    fresh = shared.again(1)  # nobody has to give it another file
    assert (fresh.files.where(""), fresh.files.server) == (f"{there}/", there.endpoint)
    made = fresh.submit(versioned("1.2"))[1]
    assert shared.again(0).get("blink", "1.2")[1] == made
    assert everything(Bucket(place, Path())) == before
    assert entries(fresh) == 4
    with database.reading(fresh.engine) as connection:
        rows = [tuple(row) for row in connection.execute(select(PLACES))]
    assert rows == [(1, str(place), place.endpoint, ""), (2, str(there), there.endpoint, "")]
    assert storage.note(shared.homes[1]) == Whereabouts(2, there)
    assert bucket.SECRET not in repr(rows) + (shared.homes[1] / storage.BUCKET).read_text()


def test_whoever_waits_for_a_move_writes_nothing_after_it(
    shared: Computers, url: str | None, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who shares an SQLite file is on one computer, and has one home.
    old, real = shared.second if url else shared.open(0), Move.drop
    waiting: list[Future[object]] = []
    before: dict[str, bytes] = {}

    def drop(self: Move) -> None:
        attempts: tuple[Callable[[], object], ...] = (
            lambda: old.submit(versioned("1.2")),
            lambda: old.refresh(0),
            lambda: old.quarantine("blink", "1.0", WHY),
        )
        waiting.extend(pool.submit(code_of, one) for one in attempts)
        done, _ = wait(waiting, _SOON)
        assert not done
        before.update(everything(old.files))
        real(self)

    monkeypatch.setattr(Move, "drop", drop)
    with ThreadPoolExecutor(4) as pool:
        shared.first.move(server.place(), silent)
        assert [one.result() for one in waiting] == ["store-moved"] * 3
    after = everything(old.files)
    after.pop("store.moved")
    assert after == before
    assert entries(shared.again(1)) == 2
    old.close()


def test_files_in_the_home_of_another_computer_are_not_looked_for_here(
    shared: Computers, place: Place
) -> None:
    shared.first.move(None, silent)
    assert code_of(lambda: shared.second.submit(versioned("1.1"))) == "store-moved"
    shared.second.close()
    assert code_of(lambda: shared.open(1)) == "store-moved"
    assert not (shared.homes[1] / PUBLIC).exists()
    assert isinstance(shared.again(0).files, LocalFolder)
    shared.first.submit(versioned("1.1"))
    shared.first.move(place, silent)  # the mark of its first time there does not count any more
    fresh = shared.again(1)
    assert fresh.get("blink")[0].version == "1.1"
    fresh.submit(versioned("1.2"))
    assert entries(fresh) == 4


# Older databases, and those that were restored.


def test_an_older_database_takes_the_place_of_the_home_that_has_the_files(
    shared: Computers, server: Server, place: Place
) -> None:
    there = server.place()
    shared.first.move(there, silent)
    shared.again(0).submit(versioned("1.1"))
    older = (b'{"url": "%s", "endpoint": "%s"}\n', place.endpoint)
    for home, where in zip(shared.homes, (there, place), strict=True):
        text = older[0] % (str(where).encode(), older[1].encode())
        (home / storage.BUCKET).write_bytes(text)
    with database.writing(shared.first.engine) as connection:
        connection.execute(delete(PLACES))  # as the migration leaves it
    Bucket(there, Path()).remove(f"{FOLDER}/checkpoint")  # whatever its log says
    before = everything(Bucket(place, Path()))
    shared.second.close()
    assert code_of(lambda: shared.open(1)) == "store-moved"  # it knows the old place only
    assert shared.again(0).files.where("") == f"{there}/"
    assert shared.again(1).files.where("") == f"{there}/"
    assert everything(Bucket(place, Path())) == before


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("knows", [True, False])
def test_a_database_from_before_a_move_forks_no_log(
    shared: Computers, server: Server, tmp_path: Path, knows: bool
) -> None:
    """Also on a computer that has not been told of the move, and in the moment of the backup."""
    there, backup = server.place(), tmp_path / "backup.sqlite"
    with closing(sqlite3.connect(shared.url)) as live:
        live.execute("VACUUM INTO ?", (str(backup),))
    shared.first.move(there, silent)
    given = versioned("1.1")
    sealed = shared.again(0).submit(given)[1]
    if knows:
        shared.again(1)
    shared.close()
    for suffix in ("-wal", "-shm"):
        Path(shared.url + suffix).unlink(missing_ok=True)
    shutil.copy(backup, shared.url)
    store = shared.again(1)
    for attempt in (
        lambda: store.submit(versioned("1.1")),
        lambda: store.withdraw("blink", "1.0", WHY),
        lambda: store.refresh(0),
        lambda: store.move(server.place(), silent),
        store.check,
    ):
        assert code_of(attempt) == "store-behind"
    if not knows:  # who can write to the old bucket must not choose the new one
        for named in (None, replace(there, prefix="other"), replace(there, endpoint="http://x")):
            assert code_of(partial(store.accept_restored, named)) == "store-moved"
    words = ["store", "restored", "--home", str(shared.homes[1]), "--database", shared.url]
    words += ["--bucket", str(there), "--endpoint", there.endpoint] if not knows else []
    assert main([*words, "--json"]) == 0
    store = shared.again(1)
    assert len(store.releases()) == 2
    assert store.files.where("") == f"{there}/"
    assert store.submit(given)[1] == sealed
    assert entries(store) == 3
    assert entries(shared.again(1)) == 3


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_buckets_that_always_name_a_next_one_are_not_followed_for_ever(
    shared: Computers, server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "_MOST_MOVES", 3)
    there, here = server.place(), place
    for number in range(2, 7):
        after = replace(there, prefix=f"{number}")
        places.leave(Bucket(here, Path()), Whereabouts(number, after))
        here = after
    with pytest.raises(StoreMoved, match="3 buckets"):
        shared.again(1).accept_restored(here)
    assert places.left(Kept.of(shared.homes[1], Whereabouts(1, place))) is not None


def test_a_home_that_is_older_than_the_database_is_told(
    shared: Computers, server: Server, tmp_path: Path
) -> None:
    backup = shutil.copytree(shared.homes[0], tmp_path / "backup")
    there = server.place()
    shared.first.move(there, silent)
    shared.first.close()
    shutil.rmtree(shared.homes[0])
    shutil.copytree(backup, shared.homes[0])
    assert shared.again(0).files.where("") == f"{there}/"
    shared.first.submit(versioned("1.1"))


# A move that ends between the database and the files beside it.

ENDINGS: tuple[tuple[object, str], ...] = (
    (places, "enter"),
    (places, "leave"),
    (storage, "write_note"),
)


@pytest.mark.parametrize(("module", "name"), ENDINGS, ids=[row[1] for row in ENDINGS])
@pytest.mark.parametrize("home", [False, True], ids=["bucket", "home"])
def test_a_move_that_ends_beside_the_database_is_completed(
    shared: Computers, server: Server, place: Place, module: object, name: str, home: bool
) -> None:
    there = None if home else server.place()
    with pytest.MonkeyPatch.context() as patched:

        def cut(*_: object) -> None:
            raise bucket.Cut

        patched.setattr(module, name, cut)
        with pytest.raises(bucket.Cut):
            shared.first.move(there, silent)
    shared.again(0).move(there, silent)
    store = shared.again(0)
    assert storage.same(store.files, storage.at(shared.homes[0], there))
    assert storage.note(shared.homes[0]).number == 2
    assert Bucket(place, Path()).exists("store.moved")
    store.submit(versioned("1.1"))
    assert entries(store) == 3


# The same files, which the program did not copy.


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_files_that_are_there_already_are_used(
    shared: Computers, server: Server, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    copied, there = everything(shared.first.files), server.place()
    shared.first.submit(versioned("1.1"))
    bucket_there = Bucket(there, Path())
    home = str(shared.homes[0])
    words = ["store", "move", "--home", home, "--database", shared.url, "--already-there"]
    words += ["--bucket", str(there), "--endpoint", there.endpoint, "--json"]
    assert main([*words[:-5], "--into-home"]) == 2
    assert main(words) == 1
    assert "has no log of this Store" in capfd.readouterr().err
    bucket_there.write_all(copied)
    assert main(words) == 1  # an older copy
    assert "damaged-store" in capfd.readouterr().err
    newer = contents(shared.first.files)
    bucket_there.write_all({path: data for path, data in newer.items() if "objects" in path})
    assert main(words) == 0  # the log is completed from the database
    assert storage.note(shared.homes[0]) == Whereabouts(2, there)
    fresh = shared.again(1)
    fresh.submit(versioned("1.2"))
    assert entries(fresh) == 4
    # The bucket's server has another address now.
    renamed = replace(there, endpoint=there.endpoint.replace("127.0.0.1", "localhost"))
    assert fresh.move(renamed, silent, there=True) == 0
    assert shared.again(0).files.server == renamed.endpoint
    shared.first.submit(versioned("1.3"))
    assert code_of(lambda: fresh.refresh(0)) == "store-moved"


def test_a_store_in_its_home_needs_no_file_about_it(tmp_path: Path) -> None:
    home = tmp_path / "store"
    init(home, "Shop", NewKey("p256"), seals.LONG)
    with closing(Store(home, partial(authority.unlock, home, bytes))) as store:
        assert moving.locate(home, store.engine) == Whereabouts()
    assert not (home / storage.BUCKET).exists()
    assert (home / DATABASE).exists()
    assert all(not (home / part).exists() for part in PARTS)
