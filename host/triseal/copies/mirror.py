"""A mirror: a copy of a Store's public files in a folder, each of them checked.

Everything that needs a checkpoint is written before it, so a mirror that was cut off still shows
what it showed before, and the next run goes on where this one has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sealcore.errors import SealError
from triseal import files, package
from triseal.copies import storefiles, storeview
from triseal.copies.histories import Histories
from triseal.copies.history import PageDiffers
from triseal.copies.storefiles import LOG, Source
from triseal.copies.storeview import Found, View
from triseal.errors import BadAnswer, Failure, FileTooLarge, NotAFile
from triseal.log import checkpoint, forks, merkle, note, proof, tiles
from triseal.log.checkpoint import Checkpoint
from triseal.log.errors import BadLogData, LogForked, LogStale, UnknownLog

EVIDENCE = "evidence"
_KEPT_BACK = ("not-in-store", "not-found", "quarantined")
_TRIES = 5  # a Store that gets releases meanwhile has newer pages than the checkpoint

Report = Callable[[str, int, int], None]


@dataclass
class Mirrored:
    """What a run has done.

    Attributes:
        view: what the mirror shows now.
        fetched: number of files that were new.
        services: number of services.
        missing: digests of packages that the Store does not offer, hex.
    """

    view: View
    fetched: int = 0
    services: int = 0
    missing: list[str] = field(default_factory=list)


class Mirror:
    """A copy in a folder.

    Args:
        top: the folder.
        source: the files that are copied.
        report: called with a step, what is done of it, and all of it.
    """

    def __init__(self, top: Path, source: Source, report: Report) -> None:
        self._top = top
        self._source = source
        self._report = report
        self._fetched = 0

    def update(self) -> Mirrored:
        """Copy what is new, and check all files, also those that are there.

        Raises:
            LogForked: the Store shows another history than the mirror has; EVIDENCE proves it.
            LogStale: the Store shows an older history.
            UnknownLog: it is another Store, or the checkpoint is not signed by its log.
            BadLogData, NotInLog, BadAnswer: a file of the Store is not what it should be.
            Failure: a file can't be read; the next call goes on.
            OSError: a file can't be written.
        """
        for _ in range(1, _TRIES):
            try:
                return self._once()
            except PageDiffers:  # it may be newer than the log was
                continue
        return self._once()

    def _once(self) -> Mirrored:
        view = View(self._source)
        self._continue(view)
        with Histories() as told:
            for found in self._log(view):
                told.add(found)
            made = Mirrored(view, missing=self._packages(view, told))
            made.services = self._pages(view, told)
            self._finish(view, told)
        made.fetched = self._fetched
        return made

    def _continue(self, view: View) -> None:
        """Check that the Store continues what the mirror shows."""
        try:
            last = checkpoint.parse(files.read(self._top / storefiles.CHECKPOINT, note.MAX_SIZE))
        except FileNotFoundError:
            return
        if last.origin != view.head.origin or not last.note.check([view.key]):
            raise UnknownLog(f"{self._top} is a mirror of another log, {last.origin}")
        if last.size > view.head.size:
            raise LogStale(f"it has {view.head.size} entries, the mirror has {last.size}")
        check_continues(view, last, self._top / EVIDENCE)

    def _log(self, view: View) -> Iterator[Found]:
        """Copy tiles and bundles, and return the entries."""
        size = view.head.size
        number = sum(1 for _ in tiles.touched(0, size))
        for done, (level, index) in enumerate(tiles.touched(0, size)):
            self._report("tiles", done, number)
            row = view.row(level, index)
            self._keep(LOG + tiles.path(level, index, len(row)), b"".join(row))
            view.forget(level, index)
        for index in range(-(-size // tiles.WIDTH)):
            self._report("entries", index * tiles.WIDTH, size)
            row = view.row(0, index)
            path = LOG + tiles.path(tiles.ENTRIES, index, len(row))
            leaves = self._bundle(path, row)
            if leaves is None:
                leaves = view.bundle(index)
                self._keep(path, tiles.bundle(leaves))
            view.forget(0, index)
            yield from storeview.parsed(index, leaves)

    def _bundle(self, path: str, row: list[bytes]) -> list[bytes] | None:
        """Return the entries of a bundle that is there and right."""
        data = self._read(path)
        try:
            leaves = tiles.unbundle(data, len(row)) if data is not None else []
        except BadLogData:
            return None
        return leaves if [merkle.leaf(one) for one in leaves] == row else None

    def _packages(self, view: View, told: Histories) -> list[str]:
        """Copy the packages of all releases; return those that the Store does not offer."""
        missing = []
        number, _ = told.count()
        for done, one in enumerate(told.releases()):
            self._report("packages", done, number)
            if done % tiles.WIDTH == 0:
                view.forget_leaves()
            if not self._package(view, one.package, barred=told.held.has(one.service, one.version)):
                missing.append(one.package.hex())
        return missing

    def _package(self, view: View, digest: bytes, *, barred: bool) -> bool:
        """Copy a package, or remove one that is barred; tell whether it is there."""
        path = storefiles.package_path(digest)
        if barred:
            (self._top / path).unlink(missing_ok=True)
            return False
        if self._has_package(view, path, digest):
            return True
        data = offered(view.source, path)
        if data is None:
            return False
        _check_package(view, path, digest, data)
        self._keep(path, data)
        return True

    def _has_package(self, view: View, path: str, digest: bytes) -> bool:
        data = self._read(path)
        if data is None:
            return False
        try:
            _check_package(view, path, digest, data)
        except (Failure, SealError):
            return False
        return True

    def _pages(self, view: View, told: Histories) -> int:
        """Read the page of each service, which must be what the log says; return their number."""
        _, number = told.count()
        for done, (service, one) in enumerate(told.services()):
            self._report("pages", done, number)
            path = storefiles.service_path(service)
            data = view.source.read(path, storefiles.MAX_PAGE)
            one.check(storeview.releases_of(storefiles.parsed(path, data)))
            told.keep_page(service, data)
        return number

    def _finish(self, view: View, told: Histories) -> None:
        """Write what names the rest, and the checkpoint after everything that it needs."""
        for service, data in told.pages():
            self._keep(storefiles.service_path(service), data)
        self._keep(storefiles.STORE, view.page)
        index = view.source.read(storefiles.INDEX, storefiles.MAX_PAGE)
        storefiles.parsed(storefiles.INDEX, index)  # sites do not read it, people do
        self._keep(storefiles.INDEX, index)
        cosigned = offered(view.source, storefiles.WITNESSED)
        if cosigned is not None and self._is_of(view, cosigned):
            self._keep(storefiles.WITNESSED, cosigned)
        self._keep(storefiles.CHECKPOINT, view.head.note.data())

    def _is_of(self, view: View, cosigned: bytes) -> bool:
        """Check the checkpoint that witnesses have cosigned; tell whether the view reaches it."""
        found = checkpoint.parse(cosigned)
        if found.origin != view.head.origin or not found.note.check([view.key]):
            raise UnknownLog(f"{storefiles.WITNESSED} is not signed by {view.head.origin}")
        if found.size > view.head.size:  # the Store has got releases meanwhile
            return False
        check_continues(view, found, self._top / EVIDENCE)
        return True

    def _read(self, path: str) -> bytes | None:
        try:
            return files.read(self._top / path, storefiles.check_path(path))
        except (FileNotFoundError, NotAFile, FileTooLarge):
            return None

    def _keep(self, path: str, data: bytes) -> None:
        if self._read(path) != data:
            files.write(self._top / path, data)
            files.settle([self._top / path], self._top)
            self._fetched += 1


def _check_package(view: View, path: str, digest: bytes, data: bytes) -> None:
    """Check a package with its own proof, which is not in the digest."""
    found = package.parse(data)
    if found.digest() != digest:
        raise BadAnswer(f"{path} is another package")
    view.proved(found)
    own = proof.parse(found.proof)
    own.check_path()
    if own.checkpoint.origin != view.head.origin or not own.checkpoint.note.check([view.key]):
        raise UnknownLog(f"the proof of {path} is not signed by {view.head.origin}")


def offered(source: Source, path: str) -> bytes | None:
    """Read a file that a Store may keep back, as it does with a quarantined package.

    Args:
        source: the files of the Store.
        path: path of the file.

    Returns: its contents; None if it is not there.

    Raises:
        Failure: it can't be read.
    """
    try:
        return source.read(path, storefiles.check_path(path))
    except Failure as error:
        if error.code not in _KEPT_BACK:
            raise
        return None


def check_continues(view: View, last: Checkpoint, evidence: Path) -> None:
    """Check that a view continues a checkpoint of the same log that was seen before.

    Args:
        view: what the Store shows.
        last: the checkpoint, not larger than that of the view.
        evidence: file to write if both can't be true.

    Raises:
        LogForked: it does not; the file proves it.
    """
    head = view.head
    hashes = merkle.consistency(last.size, head.size, view.tree.complete)
    try:
        merkle.check_consistency(last.size, head.size, hashes, last.root, head.root)
    except LogForked:
        made = forks.make(view.key, last, head, view.tree.complete)
        files.write(evidence, made.der())
        raise LogForked(f"{evidence} proves it") from None
