"""Moves the files of a Store from its home into a bucket, and back.

Nothing counts at the new place before one file in the home names it: until then a move that was cut
off has changed nothing, and the same command goes on. The files at the old place stay, so that
those who still read them can go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from triseal.errors import AlreadyExists, FileTooLarge
from triseal.log import checkpoint
from triseal.log.note import Key
from triseal.log.writer import Folder
from triseal.storage import Storage
from triseal.store.journal import FOLDER, PUBLIC
from triseal.store.ledger import OBJECTS
from triseal.store.pages import HELD

# The folders of the files, and whether they are for nobody but the Store.
_PARTS = ((OBJECTS, True), (HELD, True), (PUBLIC, False))
_OWNER = "store.log"  # names the log whose Store has its files here
_MAX_OWNER = 4096
_MAX_FILE = 1 << 25
# Files that never change once they are there, since their names say what is in them.
_FIXED = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}|(v1/packages/)?[0-9a-f]{64}\.triseal")
_TILE = re.compile(r"log/tile/.*")

Report = Callable[[str, int, int], None]


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
