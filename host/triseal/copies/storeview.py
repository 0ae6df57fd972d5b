"""What a Store shows at one moment: everything that is read here is checked against one checkpoint.

The files may come from anybody. Only the log's key counts, which the Store's key has signed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sealcore import seal
from triseal import package
from triseal.certificate import key_of
from triseal.copies import storefiles
from triseal.copies.storefiles import Source
from triseal.errors import BadAnswer, UnknownService
from triseal.log import checkpoint, endorsement, entry, merkle, note, proof, tiles
from triseal.log.checkpoint import Checkpoint
from triseal.log.entry import Entry
from triseal.log.errors import BadLogData, LogStale, NotInLog, UnknownLog
from triseal.log.policy import Policy
from triseal.package import Package

RELEASES = (entry.RELEASE, entry.RESEAL)


@dataclass(frozen=True)
class Found:
    """One entry of the log.

    Attributes:
        position: its position.
        said: what it says.
        leaf: the entry, DER.
    """

    position: int
    said: Entry
    leaf: bytes


def parsed(index: int, leaves: Sequence[bytes]) -> Iterator[Found]:
    """Parse the entries of a bundle.

    Args:
        index: of the bundle.
        leaves: its entries.

    Raises:
        BadLogData: one is no entry.
    """
    for at, leaf in enumerate(leaves, index * tiles.WIDTH):
        yield Found(at, entry.parse(leaf), leaf)


class View:
    """A Store as its files show it.

    Args:
        source: the files.
        policy: which logs and witnesses count; None for the log that the Store's key names.

    Attributes:
        about: the page about the Store, and as `page` its bytes.
        spki: the Store's key, DER SubjectPublicKeyInfo.
        key: the key of its log.
        head: the checkpoint.
        tree: the hashes of the log, whose root is that of the checkpoint.
        time: the newest time that counts, see `Policy.check`.
        behind: whether the log has a newer checkpoint, which the witnesses have not yet cosigned.

    Raises:
        UnknownLog: the checkpoint is not signed as the policy wants it.
        BadLogData: the tiles are not those of the checkpoint, something can't be read, or the log
            has more than `checkpoint.MOST_ENTRIES`.
        BadAnswer: the pages are not those of a Store.
        Failure: the files can't be read.
    """

    def __init__(self, source: Source, policy: Policy | None = None) -> None:
        self.source = source
        self.page = source.read(storefiles.STORE, storefiles.MAX_PAGE)
        self.about = storefiles.parsed(storefiles.STORE, self.page)
        self.spki = key_of(str(self.about.get("certificate")))
        self.key = endorsement.check(str(self.about.get("log_endorsement")), self.spki)
        self.head, self.time, self.behind = _head(source, policy or Policy(logs=[self.key]))
        checkpoint.check_size(self.head)
        self.tree = tiles.Tree(self.head.size, self.tile)
        if self.tree.root() != self.head.root:
            raise BadLogData("the tiles are not those of the checkpoint")
        self._checked: set[tuple[int, int]] = set()

    def tile(self, path: str) -> bytes:
        """Read a tile or a bundle, which is not checked.

        Args:
            path: as `tiles.path` makes it.
        """
        return storefiles.tile(self.source, path)

    def row(self, level: int, index: int) -> list[bytes]:
        """Return the hashes of a tile, which are those of the checkpoint.

        Args:
            level: level of the tile.
            index: its position within the level.

        Raises:
            BadLogData: they are not.
        """
        row = self.tree.tile(level, index)
        if (level, index) not in self._checked and len(row) == tiles.WIDTH:
            # The tiles that are not full are all in the root.
            above = self.row(level + 1, index // tiles.WIDTH)
            if above[index % tiles.WIDTH] != merkle.fold(row):
                raise BadLogData(f"tile {index} of level {level} is not of the checkpoint")
        self._checked.add((level, index))
        return row

    def bundle(self, index: int) -> list[bytes]:
        """Return the entries of a bundle, which are those of the checkpoint.

        Args:
            index: of the bundle.

        Raises:
            BadLogData: they are not.
        """
        row = self.row(0, index)
        data = self.tile(tiles.path(tiles.ENTRIES, index, len(row)))
        leaves = tiles.unbundle(data, len(row))
        if [merkle.leaf(one) for one in leaves] != row:
            raise BadLogData(f"the entries of bundle {index} are not of the checkpoint")
        return leaves

    def entries(self, begin: int = 0) -> Iterator[Found]:
        """Read the entries of the log.

        Args:
            begin: the first position.

        Raises:
            BadLogData: they are not of the checkpoint.
        """
        for index in range(begin // tiles.WIDTH, -(-self.head.size // tiles.WIDTH)):
            for found in parsed(index, self.bundle(index)):
                if found.position >= begin:
                    yield found
            self.forget(0, index)

    def forget(self, level: int, index: int) -> None:
        """Let go of a full tile, to need less memory. If it is read again, it is checked again.

        Args:
            level: level of the tile.
            index: its position within the level.
        """
        if tiles.width(level, index, self.head.size) == tiles.WIDTH:  # see `row`
            self.tree.forget(level, index)
            self._checked.discard((level, index))

    def forget_leaves(self) -> None:
        """Let go of all full tiles of level 0."""
        for index in self.tree.kept(0):
            self.forget(0, index)

    def rows(self, service: str) -> list[dict[str, Any]]:
        """Return the releases of a service as its page has them, oldest first.

        Args:
            service: name of the service.

        Raises:
            BadAnswer: the page can't be read.
        """
        return releases_of(storefiles.facts(self.source, storefiles.service_path(service)))

    def package(self, row: dict[str, Any]) -> Package:
        """Read a package, and prove it anew by the checkpoint of this view.

        Args:
            row: the release, as `rows` has it.

        Raises:
            NotInLog: the log does not have it.
            BadAnswer: it is another package than the page names.
        """
        return self.proved(unproved(self.source, row))

    def proved(self, found: Package) -> Package:
        """Return a package with a proof by the checkpoint of this view.

        So the entry is in the same history as all else, witnesses have cosigned it, and it is as
        fresh as the checkpoint.

        Args:
            found: the package.

        Raises:
            NotInLog: the log of this view does not have the entry, or it is about another package.
            BadLogData: the package has no proof that can be read.
        """
        said = proof.parse(found.proof)
        if entry.parse(said.leaf).package != found.digest():
            raise NotInLog("the proof is for another package")
        if said.index >= self.head.size:
            raise NotInLog(f"entry {said.index} of {self.head.size}")
        made = proof.make(said.leaf, said.index, self.head, self.tree.complete)
        made.check_path()
        return replace(found, proof=made.text())


def unproved(source: Source, row: dict[str, Any]) -> Package:
    """Read a package. It is the one that a page names, and nothing else is checked.

    Args:
        source: the files.
        row: the release, as the page of its service has it.

    Raises:
        BadAnswer: it is another package than the page names.
    """
    try:
        digest = bytes.fromhex(str(row.get("package")))
    except ValueError:
        digest = b""
    if len(digest) != merkle.HASH:
        raise BadAnswer("the page of a service can't be read")
    path = storefiles.package_path(digest)
    found = package.parse(source.read(path, package.MAX_SIZE))
    if found.digest() != digest:
        raise BadAnswer(f"{path} is another package")
    return found


def check_is(found: Package, service: str, row: dict[str, Any]) -> None:
    """Check that a package is the release as which the log or the page of a service shows it.

    Anybody who copies the files of a Store could let a page name a package of another service.

    Args:
        found: the package, whose seals need not be checked yet.
        service: name of the service.
        row: the release, as the log or the page has it.

    Raises:
        BadAnswer: it is another release.
        SealError: its seal can't be read.
    """
    said = seal.parse(found.store_seal, seal.STORE)
    if (said.service, said.service_version) != (service, row.get("version")):
        named = f"{said.service} {said.service_version}"
        raise BadAnswer(f"{service} {row.get('version')} is {named}")


def releases_of(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the releases on the page of a service.

    Args:
        page: the page.

    Raises:
        BadAnswer: it can't be read.
    """
    rows = page.get("releases")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadAnswer("the page of a service can't be read")
    return rows


def chosen(rows: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """Choose a release.

    Args:
        rows: all releases of the service, oldest first.
        wanted: SERVICE for the newest one that is listed, or SERVICE@VERSION.

    Raises:
        UnknownService: there is no such release.
    """
    service, _, version = wanted.partition("@")
    if version:
        fit = [row for row in rows if row.get("version") == version]
    else:
        fit = [row for row in rows if row.get("state") == "listed"]
    if not fit:
        raise UnknownService(f"the Store has no {service} {version}".rstrip())
    return fit[-1]


def check_fresh(time: int, now: int, most: int) -> None:
    """Check that a checkpoint is not older than a policy allows.

    Args:
        time: the newest time in it that counts, Unix seconds; 0 if there is none.
        now: the time.
        most: its largest age, seconds.

    Raises:
        LogStale: it is older, or from the future.
    """
    if not time:
        raise LogStale("its checkpoint says no time")
    if now - time > most:
        raise LogStale(f"its checkpoint is {_days(now - time)} old, at most {_days(most)} count")
    if time - now > _AHEAD:
        raise LogStale(f"its checkpoint is {time - now} s ahead of this computer's clock")


_AHEAD = 3600


def _days(seconds: int) -> str:
    return f"{seconds / 86400:.1f} days" if seconds >= 86400 else f"{seconds} s"


def _head(source: Source, policy: Policy) -> tuple[Checkpoint, int, bool]:
    """Return the newest checkpoint that is signed as the policy wants it; see `View`."""
    newest = checkpoint.parse(source.read(storefiles.CHECKPOINT, note.MAX_SIZE))
    try:
        return newest, policy.check(newest), False
    except UnknownLog:
        if not policy.witnesses:
            raise
    # The witnesses need some time until they have seen the newest one.
    cosigned = checkpoint.parse(source.read(storefiles.WITNESSED, note.MAX_SIZE))
    return cosigned, policy.check(cosigned), cosigned.size < newest.size
