"""Tiles: how the hashes and entries of a log lie in files (c2sp.org/tlog-tiles).

A tile has up to 256 hashes. At level 0 they are those of leaves, at each further level those of
full tiles of the level below. Entries lie in bundles of up to 256.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from triseal.log import merkle
from triseal.log.errors import BadLogData

WIDTH = 256
HEIGHT = 8
ENTRIES = "entries"
CHECKPOINT = "checkpoint"
WITNESSED = "witnessed"  # the newest checkpoint that witnesses have cosigned
MAX_LEVEL = 63
MAX_ENTRY = (1 << 16) - 1
MAX_BUNDLE = WIDTH * (MAX_ENTRY + 2)
_GROUP = 1000
_PATH = re.compile(
    r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/){0,6}\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII
)

Read = Callable[[str], bytes]


def path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Return the path of a tile or bundle, relative to the log.

    Args:
        level: level of the tile; ENTRIES for a bundle of entries.
        index: its position within the level.
        width: number of hashes or entries, 1 to 256.
    """
    parts = [f"{index % _GROUP:03d}"]
    while index := index // _GROUP:
        parts.insert(0, f"x{index % _GROUP:03d}")
    return f"tile/{level}/{'/'.join(parts)}" + (f".p/{width}" if width < WIDTH else "")


def parse_path(text: str) -> tuple[int | str, int, int]:
    """Return level, index and width from a path.

    Args:
        text: the path.

    Raises:
        BadLogData: it is not the path of a tile.
    """
    found = _PATH.fullmatch(text)
    if found is None:
        raise BadLogData("not the path of a tile")
    level = ENTRIES if found[1] == ENTRIES else int(found[1])
    index = int(found[2].replace("x", "").replace("/", ""))
    width = int(found[3] or WIDTH)
    if path(level, index, width) != text or (level != ENTRIES and int(level) > MAX_LEVEL):
        raise BadLogData("not the path of a tile")
    return level, index, width


def width(level: int, index: int, size: int) -> int:
    """Return how many hashes a tile of a tree has; 0 if the tree has no such tile.

    Args:
        level: level of the tile; bundles of entries are as level 0.
        index: its position within the level.
        size: number of leaves of the tree.
    """
    return max(0, min(WIDTH, (size >> HEIGHT * level) - index * WIDTH))


def touched(old: int, new: int) -> Iterator[tuple[int, int]]:
    """Return level and index of each tile that changes when a tree grows.

    Args:
        old: number of leaves before.
        new: number of leaves after.
    """
    level = 0
    while new >> HEIGHT * level:
        before, after = old >> HEIGHT * level, new >> HEIGHT * level
        if before < after:
            for index in range(before // WIDTH, (after - 1) // WIDTH + 1):
                yield level, index
        level += 1


def split(tile: bytes, count: int) -> list[bytes]:
    """Return the hashes of a tile.

    Args:
        tile: its contents.
        count: number of hashes that it must have.

    Raises:
        BadLogData: it has more or fewer.
    """
    if len(tile) != count * merkle.HASH:
        raise BadLogData(f"a tile has {len(tile)} bytes, not {count * merkle.HASH}")
    return [tile[at : at + merkle.HASH] for at in range(0, len(tile), merkle.HASH)]


def bundle(entries: Sequence[bytes]) -> bytes:
    """Return a bundle of entries.

    Args:
        entries: at most 256, of at most 65535 bytes each.
    """
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def narrowed(full: bytes, level: int | str, count: int) -> bytes:
    """Return the beginning of a full tile or bundle: what a partial one has.

    Args:
        full: contents of the full one.
        level: its level, or ENTRIES.
        count: number of hashes or entries.

    Raises:
        BadLogData: the full one has another form.
    """
    if level == ENTRIES:
        return bundle(unbundle(full, WIDTH)[:count])
    return full[: count * merkle.HASH]


def unbundle(data: bytes, count: int) -> list[bytes]:
    """Return the entries of a bundle.

    Args:
        data: the bundle.
        count: number of entries that it must have.

    Raises:
        BadLogData: it has more or fewer, or ends early.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < count:
        begin = at + 2
        at = begin + int.from_bytes(data[begin - 2 : begin], "big")
        entries.append(data[begin:at])
    if at != len(data) or len(entries) != count:
        raise BadLogData(f"a bundle does not have exactly {count} entries")
    return entries


class Tree:
    """The hashes of a log that lies in tiles. What it reads is kept until the object goes.

    Nothing here is checked but forms and sizes: compare `root` with a checkpoint.

    Args:
        size: number of leaves.
        read: returns the contents of a tile by its path.
    """

    def __init__(self, size: int, read: Read) -> None:
        self.size = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def tile(self, level: int, index: int) -> list[bytes]:
        """Return the hashes of a tile.

        Args:
            level: level of the tile.
            index: its position within the level.

        Raises:
            BadLogData: the tree has no such tile, or it has another size.
        """
        known = self._tiles.get((level, index))
        if known is None:
            count = width(level, index, self.size)
            if not count:
                raise BadLogData("the tree has no such tile")
            known = split(self._read(path(level, index, count)), count)
            self._tiles[level, index] = known
        return known

    def forget(self, level: int, index: int) -> None:
        """Let go of a tile, to need less memory.

        Args:
            level: level of the tile.
            index: its position within the level.
        """
        self._tiles.pop((level, index), None)

    def kept(self, level: int) -> list[int]:
        """Return the positions of the tiles of a level that are kept.

        Args:
            level: the level.
        """
        return [index for at, index in self._tiles if at == level]

    def complete(self, height: int, index: int) -> bytes:
        """Return the hash of a complete subtree, see `merkle`.

        Args:
            height: it has 2**height leaves.
            index: its position among those of its height.
        """
        level, rest = divmod(height, HEIGHT)
        at = index << rest
        row = self.tile(level, at // WIDTH)[at % WIDTH : at % WIDTH + (1 << rest)]
        if len(row) != 1 << rest:
            raise BadLogData("the tree has no such subtree")
        return merkle.fold(row)

    def root(self) -> bytes:
        """Return the hash of the tree."""
        return merkle.root(self.size, self.complete)
