"""A Store on a real file system that is small: its power is cut, and it becomes full.

The file system is an ext4 in a file, mounted by a loop device. What this file holds at a moment is
what a disk would hold if the power was cut then: the kernel has written the rest to nowhere. A copy
of it is mounted again, so that ext4 repairs it as it does on a real disk. SQLite's database is
there, too. Mounting needs root and loop devices; without them the tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.full import Sweep
from tests.host.store.test_power_cut import GIVEN, VERSIONS, check_log
from tests.host.store.test_store import ADA, World, unlocked
from tests.worlds import mounts, seals
from tests.worlds.site_world import code_of
from triseal import advice
from triseal.log import checkpoint
from triseal.log.checkpoint import Checkpoint
from triseal.package import Package
from triseal.store.journal import FOLDER
from triseal.store.pages import Pages
from triseal.store.store import Store

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", autouse=True)
def small() -> None:
    if why := mounts.missing():
        pytest.skip(why)


@dataclass
class Moment:
    """What the disk holds when the power is cut, and what was said before."""

    image: Path
    signed: list[Checkpoint]
    promised: dict[str, Package]


class Watched:
    """Copies the disk whenever something was synced or renamed."""

    def __init__(self, image: Path, home: Path) -> None:
        self._image = image
        self._home = home
        self._signed: dict[bytes, Checkpoint] = {}
        self.promised: dict[str, Package] = {}
        self.moments: list[Moment] = []

    def note(self) -> None:
        copy = self._image.with_name(f"{len(self.moments)}.image")
        while True:  # the kernel may write meanwhile, which no moment of a disk looks like
            subprocess.run(["cp", "--sparse=always", self._image, copy], check=True)
            if subprocess.run(["cmp", "-s", self._image, copy], check=False).returncode == 0:
                break
        data = (self._home / FOLDER / "checkpoint").read_bytes()
        self._signed.setdefault(data, checkpoint.parse(data))
        self.moments.append(Moment(copy, list(self._signed.values()), dict(self.promised)))

    @contextmanager
    def watching(self, patched: pytest.MonkeyPatch) -> Iterator[None]:
        sync, rename = os.fsync, Path.replace

        def synced(descriptor: int) -> None:
            sync(descriptor)
            self.note()

        def renamed(source: Path, target: Path) -> Path:
            made = rename(source, target)
            self.note()
            return made

        with patched.context() as patch:
            patch.setattr(os, "fsync", synced)
            patch.setattr(Path, "replace", renamed)
            yield


def test_a_cut_takes_what_was_not_synced(tmp_path: Path) -> None:
    """Otherwise the other tests would prove nothing."""
    image, copy = tmp_path / "image", tmp_path / "copy"
    mounts.make(image, 8)
    with mounts.mounted(image, tmp_path / "live") as top:
        for name, synced in (("kept", True), ("lost", False)):
            with (top / name).open("wb") as file:
                file.write(b"x" * 100)
                file.flush()
                if synced:
                    os.fsync(file.fileno())
        shutil.copy(image, copy)
    with mounts.mounted(copy, tmp_path / "again") as top:
        assert (top / "kept").read_bytes() == b"x" * 100
        assert not (top / "lost").exists() or (top / "lost").read_bytes() == b""


def found_again(home: Path) -> Store:
    return Store(home, lambda: unlocked(home), clock=lambda: seals.NOW)


def test_the_power_of_a_real_file_system_is_cut(
    tmp_path: Path, sweep: Sweep[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "image"
    mounts.make(image, 8)
    with mounts.mounted(image, tmp_path / "live") as top, World(top / "store") as world:
        world.store.publish()
        os.sync()
        watched = Watched(image, world.home)
        with watched.watching(monkeypatch):
            for version in VERSIONS:
                watched.promised[version] = world.store.submit(GIVEN[version])[1]
            watched.note()
    moments = watched.moments
    assert len(moments) > 30
    assert set(moments[-1].promised) == set(VERSIONS)
    for at in sweep(list(range(len(moments))), 20):
        moment = moments[at]
        with (
            mounts.mounted(moment.image, tmp_path / f"top-{at}") as top,
            closing(found_again(top / "store")) as store,
        ):
            public = Pages(store.files)
            for version, sealed in moment.promised.items():
                assert store.get("blink", version)[1].digest() == sealed.digest(), at
                assert public.has(sealed.digest().hex()), at
            for version in VERSIONS:
                if version not in moment.promised:
                    store.submit(GIVEN[version])
            found = [one for one in check_log(store, moment.signed) if one.kind == "release"]
            assert [one.version for one in found] == list(VERSIONS), at
        moment.image.unlink()


def test_a_full_file_system_breaks_no_promise(tmp_path: Path) -> None:
    """Whatever finds no room first: an object, the database, a tile, a page, or the mark."""
    image = tmp_path / "image"
    mounts.make(image, 8)
    with mounts.mounted(image, tmp_path / "live") as top, World(top / "store") as world:
        world.store.publish()
        promised: dict[str, Package] = {}
        refused = set()
        for room in range(0, 200, 7):  # KiB that are left
            name = f"1.{room}"
            code = f"# {os.urandom(3000).hex()}\nx = 1\n".encode()
            given = seals.package(ADA, version=name, executable=code)
            filler = mounts.fill(top / "filler", room << 10)
            refused.add(refusal(world.store, given))
            for known, sealed in promised.items():
                assert world.store.get("blink", known)[1] == sealed
            filler.unlink()
            promised[name] = world.store.submit(given)[1]  # as soon as there is room
        assert {"", "disk-full"} <= refused <= {"", "disk-full", "mark-not-written"}
        assert code_of(world.store.check) == ""
        logged = [one for one in check_log(world.store, []) if one.kind == "release"]
        assert len(logged) == len(promised)
        left = [path for path in world.home.rglob(".*") if path.is_file()]
        assert not left  # nothing half-written stays


def refusal(store: Store, given: Package) -> str:
    """Return the code of what a submission ends with; "" if it is answered."""
    try:
        store.submit(given)
    except Exception as error:
        return str(advice.explain(error)[0])
    return ""
