"""The audit of a log: all of it is computed again, with public keys alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from triseal.log import checkpoint, entry, merkle, tiles
from triseal.log.errors import LogDamaged
from triseal.log.policy import Policy

_PATIENCE = 300  # seconds by which the clocks of a Store's servers may differ


@dataclass
class Audit:
    """What an audit has found in a log that is whole.

    Attributes:
        origin: name of the log.
        size: number of entries.
        kinds: numbers of entries by kind.
        backdated: positions of entries whose time is before that of an earlier entry.
    """

    origin: str
    size: int
    kinds: Counter[str] = field(default_factory=Counter)
    backdated: list[int] = field(default_factory=list)


def audit(head: bytes, read: Callable[[str], bytes], policy: Policy) -> Audit:
    """Compute a log again from its entries.

    Args:
        head: its checkpoint.
        read: returns a tile or a bundle by its path.
        policy: which logs and witnesses count.

    Raises:
        UnknownLog: the checkpoint is not signed as the policy wants it.
        LogDamaged: entries and tiles do not lead to the checkpoint.
        BadLogData: something can't be read, or the log has more than `checkpoint.MOST_ENTRIES`.
    """
    made = checkpoint.parse(head)
    policy.check(made)
    checkpoint.check_size(made)
    levels = _Levels(tiles.Tree(made.size, read))
    found = Audit(made.origin, made.size)
    newest = 0
    for index in range(-(-made.size // tiles.WIDTH)):
        count = tiles.width(0, index, made.size)
        leaves = tiles.unbundle(read(tiles.path(tiles.ENTRIES, index, count)), count)
        levels.add(0, [merkle.leaf(one) for one in leaves])
        for at, leaf in enumerate(leaves, index * tiles.WIDTH):
            said = entry.parse(leaf)
            found.kinds[said.kind] += 1
            if said.time < newest - _PATIENCE:
                found.backdated.append(at)
            newest = max(newest, said.time)
    if levels.root() != made.root:
        raise LogDamaged("the entries are not those of the checkpoint")
    return found


class _Levels:
    """The tiles of a log as its entries make them, each compared with the log's own.

    Args:
        tree: the hashes of the log.
    """

    def __init__(self, tree: tiles.Tree) -> None:
        self._tree = tree
        self._rows: list[list[bytes]] = []  # by level: hashes that are not yet in a full tile
        self._full: list[int] = []  # by level: number of full tiles

    def add(self, level: int, hashes: list[bytes]) -> None:
        """Add hashes to a level; no more than its tile has room for."""
        if level == len(self._rows):
            self._rows.append([])
            self._full.append(0)
        self._rows[level] += hashes
        if len(self._rows[level]) == tiles.WIDTH:
            row = self._compare(level)
            self._rows[level] = []
            self._full[level] += 1
            self.add(level + 1, [merkle.fold(row)])

    def root(self) -> bytes:
        """Compare the tiles that are not full, and return the hash of the tree."""
        top: bytes | None = None  # over what the lower levels have
        for level, row in enumerate(self._rows):
            if row:
                self._compare(level)
                top = _over(row, top)
        return merkle.EMPTY if top is None else top

    def _compare(self, level: int) -> list[bytes]:
        row = self._rows[level]
        if self._tree.tile(level, self._full[level]) != row:
            raise LogDamaged(f"tile {self._full[level]} of level {level} has other hashes")
        self._tree.forget(level, self._full[level])
        return row


def _over(row: list[bytes], rest: bytes | None) -> bytes:
    """Return the hash over a row of complete subtrees and what follows them, as one tree."""
    hashes = [] if rest is None else [rest]
    at = len(row)
    while at:  # the complete subtrees of the row from the right: their sizes are bits of its length
        width = at & -at
        hashes.insert(0, merkle.fold(row[at - width : at]))
        at -= width
    while len(hashes) > 1:
        right = hashes.pop()
        hashes[-1] = merkle.join(hashes[-1], right)
    return hashes[0]
