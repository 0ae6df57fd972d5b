"""Moves the files of a Store from its home into a bucket, and back.

Nothing counts at the new place before the database names it (`places`): until then a move that was
cut off has changed nothing, and the same command goes on. The files at the old place stay, so that
those who still read them can go on.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, select

from sealcore.compat import sha256
from triseal import storage
from triseal.bucket import BucketTrouble
from triseal.database import reading, writing
from triseal.errors import AlreadyExists, DamagedStore, Failure, FileTooLarge, StoreMoved
from triseal.log import checkpoint
from triseal.log.errors import BadLogData, LogDamaged, UnknownLog
from triseal.log.note import Key
from triseal.log.writer import Folder
from triseal.storage import Storage, Whereabouts
from triseal.store import journal, objects, places, records
from triseal.store.journal import FOLDER, PUBLIC
from triseal.store.ledger import OBJECTS
from triseal.store.pages import HELD
from triseal.store.records import Release
from triseal.store.tables import LOG

if TYPE_CHECKING:
    from triseal.bucket import Place

# The folders of the files, and whether they are for nobody but the Store.
_PARTS = ((OBJECTS, True), (HELD, True), (PUBLIC, False))
_OWNER = "store.log"  # names the log whose Store has its files here
_MAX_OWNER = 4096
# Moves after a backup that are followed from bucket to bucket. Others may be able to write into one
# of them, and could let the command go on for ever.
_MOST_MOVES = 64
_MAX_FILE = 1 << 25
# Files that never change once they are there, since their names say what is in them.
_FIXED = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}|(v1/packages/)?[0-9a-f]{64}\.triseal")
_TILE = re.compile(r"log/tile/.*")

Report = Callable[[str, int, int], None]


def locate(home: Path, engine: Engine) -> Whereabouts:
    """Return where the files of a Store are, and let its home know.

    Args:
        home: the Store's folder.
        engine: its database.

    Raises:
        StoreMoved: they are in the home on another computer, or the home is of a backup.
        BadBucket: the file about it in the home is damaged.
    """
    note = storage.note(home)
    with reading(engine) as connection:
        found = places.newest(connection)
    if found is None:
        with writing(engine) as connection:
            places.hold(connection, alone=True)
            found = places.newest(connection)  # another process may have been faster
            if found is None:
                _check_complete(connection, storage.at(home, note.place))
                places.enter(connection, note)
                found = note
    if note.number > found.number:  # the database was restored: nothing is written meanwhile
        return note
    return _noted(home, engine, note, found)


def _noted(home: Path, engine: Engine, note: Whereabouts, found: Whereabouts) -> Whereabouts:
    """Let the home know where the files are, and the bucket that was left."""
    if note == found:
        return found
    if found.place is None and note.folder != found.folder:
        raise StoreMoved(f"they are in the home on another computer, and not in {home}")
    with reading(engine) as connection:
        before = places.before(connection, found.number)
    if before is not None:
        with contextlib.suppress(Failure, OSError):  # it may be gone
            places.leave(storage.at(home, before.place), found)
    storage.write_note(home, found)
    return found


def _check_complete(connection: Connection, files: Storage) -> None:
    """Check that files which only an old home names are not those of a place that was left.

    Whatever the log there lacks can be made from the database, but not the files of releases.
    """
    if not journal.count(connection):
        return
    try:
        have = _entries(files)
    except Failure as error:
        if isinstance(error, BucketTrouble):
            raise
        have = 0  # the log is damaged, which is told elsewhere
    lacking = LOG.c.position >= have, LOG.c.seal != ""
    seals = set(connection.execute(select(LOG.c.seal).where(*lacking)).scalars())
    every = records.releases(connection, None) if seals else ()
    for release in every:
        if sha256(release.store_seal).hex() in seals and not _has_files(files, release):
            raise StoreMoved(f"{files.where('')} lacks {release.service} {release.version}")


def _has_files(files: Storage, release: Release) -> bool:
    kept = files.below(OBJECTS, private=True)
    return all(objects.has(kept, name) for name in (release.executable, release.metadata))


def follow(
    home: Path, engine: Engine, where: Whereabouts, named: Place | None = None
) -> Whereabouts:
    """Let a restored database know where the files went after the backup was made.

    What a bucket says of this is no proof: others may be able to write there.

    Args:
        home: the Store's folder.
        engine: its database.
        where: the place that the Store has found.
        named: the place that a person has named; None for that in the home.

    Returns: the newest place.

    Raises:
        StoreMoved: as `locate`; or a bucket names a place that nobody has named here.
        Failure, OSError: a bucket can't be read.
    """
    for _ in range(_MOST_MOVES):
        if (later := places.left(places.Kept.of(home, where))) is None:
            break
        where = later
    else:
        raise StoreMoved(f"{_MOST_MOVES} buckets, each says that the files are in the next one")
    note = storage.note(home)
    if where.place is None and note.folder != where.folder:
        raise StoreMoved(f"they are in the home on another computer, and not in {home}")
    if where.place is not None and where.place not in (note.place, named):
        server = f" --endpoint {where.place.endpoint}" if where.place.endpoint else ""
        words = f"triseal store restored --bucket {where.place}{server}"
        raise StoreMoved(f"the bucket says that they are elsewhere; if it is true, run: {words}")
    with writing(engine) as connection:
        places.hold(connection, alone=True)
        now = places.newest(connection)
        if now is None or now.number < where.number:
            places.enter(connection, where)
    if note != where:
        storage.write_note(home, where)
    return where


class Move:
    """A move that may be cut off at any moment.

    Attributes:
        copied: number of files that were copied.

    Args:
        source: the Store's files.
        target: where they are to be.
        report: called with a step, what is done of it, and all of it.
    """

    def __init__(self, source: Storage, target: Storage, report: Report) -> None:
        self._source = source
        self._target = target
        self._report = report
        self._settled: set[str] = set()
        self.copied = 0

    def claim(self, key: Key) -> None:
        """Mark each bucket as the place of this Store. The home needs no mark.

        Args:
            key: the key of its log.

        Raises:
            AlreadyExists: there are files of something else at the target, or newer ones of this
                Store: another copy of the home (on another computer, or a backup) must not take
                them away.
        """
        own = f"{key}\n".encode()
        for place in (self._target, self._source):
            if place.local("") is not None:
                continue
            if place is self._target and place.any() and _owner(place) != own:
                raise AlreadyExists(f"there are other files at {place.where('')}")
            place.write_all({_OWNER: own})
        self._check_newer()

    def _check_newer(self) -> None:
        here, there = _entries(self._source), _entries(self._target)
        if there > here:
            raise AlreadyExists(
                f"{self._target.where('')} has a newer log of this Store: {there} entries, and"
                f" {here} at {self._source.where('')}"
            )

    def check_there(self, key: Key, connection: Connection) -> None:
        """Check that the target has the files already, and mark it as the place of this Store.

        The log may lack its last entries: the Store enters them again, in the same order.

        Args:
            key: the key of its log.
            connection: a writing transaction that holds the files.

        Raises:
            DamagedStore: it lacks a release, or has no log of this Store.
        """
        where = self._target.where("")
        try:
            head = checkpoint.parse(Folder(self._target.below(FOLDER)).head() or b"")
            good = bool(head.note.check([key]))
        except (BadLogData, LogDamaged, UnknownLog):
            good = False
        if not good:
            raise DamagedStore(f"{where} has no log of this Store")
        for release in records.releases(connection, None):
            if not _has_files(self._target, release):
                raise DamagedStore(f"{where} lacks {release.service} {release.version}")
        self._target.write_all({_OWNER: f"{key}\n".encode()})

    def copy(self, *, last: bool) -> None:
        """Copy what the target lacks or has otherwise. Files that never change come first.

        Args:
            last: whether nothing changes meanwhile; before, a file may go while it is copied.
        """
        for part, private in _PARTS:
            source, target = (
                one.below(part, private=private) for one in (self._source, self._target)
            )
            names = sorted(source.paths(), key=lambda path: (not _keeps(path), path))
            for done, path in enumerate(names):
                self._report(part, done, len(names))
                if f"{part}/{path}" in self._settled:
                    continue
                try:
                    self._copy(source, target, path)
                except FileNotFoundError:
                    if last:
                        raise
                    continue
                if _keeps(path):
                    self._settled.add(f"{part}/{path}")

    def _copy(self, source: Storage, target: Storage, path: str) -> None:
        if _FIXED.fullmatch(path) and target.exists(path):
            return
        data = source.read(path, _MAX_FILE)
        if _has(target, path) != data:
            target.write_all({path: data})
            self.copied += 1

    def drop(self) -> None:
        """Remove from the target what the source does not have, such as a package held back.

        Objects stay: nobody else reads them, and all the rest can be made from them.
        """
        for part, private in _PARTS[1:]:
            source, target = (
                one.below(part, private=private) for one in (self._source, self._target)
            )
            for path in set(target.paths()).difference(source.paths()):
                target.remove(path)


def _entries(place: Storage) -> int:
    head = Folder(place.below(FOLDER)).head()
    return checkpoint.parse(head).size if head is not None else 0


def _keeps(path: str) -> bool:
    return bool(_FIXED.fullmatch(path) or _TILE.fullmatch(path))


def _has(place: Storage, path: str) -> bytes | None:
    try:
        return place.read(path, _MAX_FILE)
    except (FileNotFoundError, FileTooLarge):
        return None


def _owner(place: Storage) -> bytes | None:
    try:
        return place.read(_OWNER, _MAX_OWNER)
    except (FileNotFoundError, FileTooLarge):
        return None
