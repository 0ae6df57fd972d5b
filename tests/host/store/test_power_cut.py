"""The power of a Store's computer is cut at any write of a submission: no promise is broken.

The log's own files are cut in `tests/host/log/test_writer.py`; here it is all that a submission
writes: objects, database, tiles, packages, pages, and the mark against restored databases.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.full import Sweep
from tests.host.store.test_store import World, unlocked, versioned
from tests.worlds import disk, seals
from triseal.log import audit, checkpoint, entry, merkle
from triseal.log.checkpoint import Checkpoint
from triseal.log.policy import Policy
from triseal.log.writer import Folder
from triseal.package import Package
from triseal.store.changes import Why
from triseal.store.journal import FOLDER
from triseal.store.pages import Pages
from triseal.store.store import DATABASE, Store


@dataclass
class Moment:
    """What a power cut at one moment may leave, and what was said before.

    Attributes:
        files: all states of the files that may be found.
        database: the database: SQLite has synced what it has committed.
        signed: the checkpoints that anybody may have seen.
        promised: the packages that were answered, by version.
    """

    files: list[disk.Contents]
    database: bytes
    signed: list[Checkpoint]
    promised: dict[str, Package]


class Watched(disk.Disk):
    """A Store's home whose power can be cut."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.moments: list[Moment] = []
        self.promised: dict[str, Package] = {}
        self._signed: dict[bytes, Checkpoint] = {}

    def _note(self) -> None:
        super()._note()
        with closing(sqlite3.connect(self.top / DATABASE)) as connection:
            database = connection.serialize()
        data = (self.top / FOLDER / "checkpoint").read_bytes()
        self._signed.setdefault(data, checkpoint.parse(data))
        signed = list(self._signed.values())
        self.moments.append(Moment(self.states[-1], database, signed, dict(self.promised)))


def found_again(top: Path, contents: disk.Contents, database: bytes) -> Store:
    """The Store as it starts after the power cut."""
    kept = {path: data for path, data in contents.items() if not path.startswith(DATABASE)}
    disk.make(kept | {DATABASE: database}, top)
    for path in top.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
    return Store(top, lambda: unlocked(top), clock=lambda: seals.NOW)


def check_log(store: Store, signed: list[Checkpoint]) -> list[entry.Entry]:
    """Compute the log again: it continues all checkpoints that were ever signed."""
    folder = Folder(store.files.below(FOLDER))
    size = audit.audit(folder.head() or b"", folder.read, Policy(logs=[store.log_key])).size
    leaves = [one for at in range(-(-size // 256)) for one in folder.entries(at, size)]
    for head in signed:
        assert head.size <= size
        hashes = [merkle.leaf(one) for one in leaves[: head.size]]
        assert _root(hashes) == head.root
    return [entry.parse(one) for one in leaves]


def _root(hashes: list[bytes]) -> bytes:
    """The root of a tree as RFC 6962 section 2.1 defines it, and not as our own code does."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return merkle.join(_root(hashes[:split]), _root(hashes[split:]))


VERSIONS = ("1.0", "1.1", "1.2")
GIVEN = {version: versioned(version) for version in VERSIONS}
HELD = "1.0"  # at last


def test_a_power_cut_at_any_write_breaks_no_promise(
    tmp_path: Path, sweep: Sweep[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(tmp_path / "live") as world:
        world.store.publish()
        watched = Watched(world.home)
        with watched.watching():
            for version in VERSIONS:
                watched.promised[version] = world.store.submit(GIVEN[version])[1]
            world.store.quarantine("blink", HELD, Why("why", "Eve"))
            held = watched.promised.pop(HELD)
            world.store.refresh()
            watched._note()
        check_log(world.store, watched.moments[-1].signed)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what follows needs not last
    moments = watched.moments
    assert len(moments) > 40
    assert set(moments[-1].promised) == {"1.1", "1.2"}
    assert len(moments[-1].signed) >= len(VERSIONS) + 1
    cases = [(at, which) for at in range(len(moments)) for which in range(len(moments[0].files))]
    for at, which in sweep(cases, 12):
        moment = moments[at]
        top = tmp_path / f"{at}.{which}"
        top.mkdir()
        with closing(found_again(top, moment.files[which], moment.database)) as store:
            public = Pages(store.files)
            if HELD not in moment.promised and "1.2" in moment.promised:
                assert not public.has(held.digest().hex()), (at, which)
            decided = any(one.state == "quarantined" for one in store.releases("blink"))
            for version, sealed in moment.promised.items():
                if not decided or version != HELD:
                    made = store.get("blink", version)[1]
                    assert made.digest() == sealed.digest(), (at, which)
                    assert public.has(made.digest().hex()), (at, which)
            for version in VERSIONS:
                if not decided and version not in moment.promised:
                    store.submit(GIVEN[version])
            store.publish()
            assert public.has(held.digest().hex()) is not decided or not moment.promised
            found = [one for one in check_log(store, moment.signed) if one.kind == "release"]
            assert [one.version for one in found] == list(VERSIONS)  # no gap, no entry twice
            for version, sealed in moment.promised.items():
                assert sealed.digest() in [one.package for one in found], (at, which, version)
