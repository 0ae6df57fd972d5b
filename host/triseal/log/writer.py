"""The log's folder, and the order of its writes.

1. Tiles and bundles are written, each as a whole, until they last (see `triseal.storage`).
2. The new tree must begin with the tree of the last checkpoint; otherwise nothing is signed.
3. The checkpoint is written in the same way.
4. Partial tiles that full ones have replaced are deleted.

So a power cut leaves too many tiles at most, never a checkpoint without its tiles. Tiles without a
checkpoint are written again with the same contents, because the entries come from a database that
has put them into an order for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from triseal import storage
from triseal.errors import FileTooLarge, NotAFile
from triseal.log import checkpoint, merkle, note, tiles
from triseal.log.checkpoint import Checkpoint
from triseal.log.errors import BadLogData, LogDamaged, LogForked, LogStale, UnknownLog
from triseal.storage import Storage

# Each call signs at most so many entries, which bounds its memory.
MOST = 1 << 16


class Folder:
    """A log that lies in a folder. Nothing that is read from it is trusted without a checkpoint.

    Args:
        top: the folder, or other files.

    Attributes:
        files: its files.
    """

    def __init__(self, top: Path | Storage) -> None:
        self.files = storage.of(top)

    def read(self, path: str) -> bytes:
        """Read a tile or a bundle; a partial one also from the full one that has replaced it.

        Args:
            path: as `tiles.path` makes it.

        Raises:
            LogDamaged: it is missing, or too large.
            BadLogData: the full one has another form.
        """
        level, index, width = tiles.parse_path(path)
        try:
            return self.files.read(path, tiles.MAX_BUNDLE)
        except FileNotFoundError:
            if width == tiles.WIDTH:
                raise LogDamaged(f"{self.files.where(path)} is missing") from None
        except (NotAFile, FileTooLarge) as error:
            raise LogDamaged(error.detail) from None
        return tiles.narrowed(self.read(tiles.path(level, index)), level, width)

    def head(self) -> bytes | None:
        """Return the last checkpoint, which may be anything; None if there is none."""
        try:
            return self.files.read(tiles.CHECKPOINT, note.MAX_SIZE)
        except FileNotFoundError:
            return None
        except (NotAFile, FileTooLarge) as error:
            raise LogDamaged(error.detail) from None

    def tree(self, size: int) -> tiles.Tree:
        """Return the hashes of the log as it was at some size.

        Args:
            size: number of entries.
        """
        return tiles.Tree(size, self.read)

    def entries(self, index: int, size: int) -> list[bytes]:
        """Return the entries of one bundle.

        Args:
            index: of the bundle.
            size: number of entries of the log.

        Raises:
            BadLogData, LogDamaged: as `read`.
        """
        count = tiles.width(0, index, size)
        return tiles.unbundle(self.read(tiles.path(tiles.ENTRIES, index, count)), count)


class Writer:
    """The only one who adds to a log: its key signs each checkpoint.

    Args:
        folder: the log; its folder exists.
        signer: the log's key.
        clock: returns the time, Unix seconds, which each checkpoint then says; None for no times.
    """

    def __init__(
        self, folder: Folder, signer: note.Signer, clock: Callable[[], int] | None = None
    ) -> None:
        self.folder = folder
        self._signer = signer
        self._clock = clock or (lambda: 0)

    def head(self) -> Checkpoint | None:
        """Return the last checkpoint; None before the first one.

        Raises:
            LogDamaged: it is not a checkpoint, or not of this log's key.
        """
        data = self.folder.head()
        if data is None:
            return None
        try:
            found = checkpoint.parse(data)
            signed = found.note.check([self._signer.key])
        except (BadLogData, UnknownLog) as error:
            raise LogDamaged(f"the checkpoint: {error.detail}") from None
        if not signed or found.origin != self._signer.key.name:
            raise LogDamaged("the checkpoint is not signed by this log's key")
        return found

    def extend(self, more: Callable[[int], Sequence[bytes]]) -> Checkpoint:
        """Add entries, sign the tree, and return only after all of it lasts.

        Args:
            more: returns all entries from a position on; called once, while nobody else writes.

        Returns: the new checkpoint; the last one if there is nothing to add.

        Raises:
            LogDamaged: the folder is not what its checkpoint says; nothing was signed.
            Failure, OSError: it can't be written; nothing was signed.
        """
        with self.folder.files.alone():
            last = self.head()
            while True:
                size = last.size if last else 0
                entries = more(size)[:MOST]
                if last is not None and not entries:
                    return last
                last = self._sign(last, entries)

    def refresh(self, age: int) -> None:
        """Say the time in the last checkpoint again, if it says an older one.

        Args:
            age: seconds that a time may be old.

        Raises:
            LogDamaged: the checkpoint is not one of this log.
            Failure, OSError: it can't be written.
        """
        with self.folder.files.alone():
            last = self.head()
            now = self._clock()
            if last is None or now - self._said(last) < age:
                return
            stamp = self._signer.stamp(last.note.text, now)
            self.folder.files.write_all(
                {tiles.CHECKPOINT: checkpoint.with_signatures(last, [stamp]).note.data()}
            )

    def _said(self, last: Checkpoint) -> int:
        """Return the time that a checkpoint says, 0 if it says none."""
        try:
            return max(last.note.check([self._signer.key.clock]).values(), default=0)
        except UnknownLog:
            return 0

    def cosign(self, signatures: Sequence[note.Signature], text: str) -> None:
        """Add the cosignatures of witnesses to the last checkpoint, if it still has this text.

        Args:
            signatures: the cosignatures, which were checked.
            text: the text that they are for.

        Raises:
            LogStale: the log has grown meanwhile.
            LogDamaged, OSError: as `refresh`.
        """
        with self.folder.files.alone():
            last = self.head()
            if last is None or last.note.text != text:
                raise LogStale("the log has grown")
            data = checkpoint.with_signatures(last, signatures).note.data()
            self.folder.files.write_all({tiles.WITNESSED: data})
            self.folder.files.write_all({tiles.CHECKPOINT: data})

    def _sign(self, last: Checkpoint | None, entries: Sequence[bytes]) -> Checkpoint:
        old = last.size if last else 0
        before = self._trusted(last)
        made, bundles = self._grow(before, entries)
        self.folder.files.write_all(
            {tiles.path(*key, len(row)): b"".join(row) for key, row in made.items()} | bundles
        )
        after = self.folder.tree(old + len(entries))  # as it lies on the disk
        root = after.root()
        if last is not None:
            hashes = merkle.consistency(old, after.size, after.complete)
            try:
                merkle.check_consistency(old, after.size, hashes, last.root, root)
            except LogForked as error:
                raise LogDamaged(error.detail) from None
        new = checkpoint.sign(self._signer, after.size, root, self._clock())
        self.folder.files.write_all({tiles.CHECKPOINT: new.note.data()})
        self._tidy(key for key, row in made.items() if len(row) == tiles.WIDTH)
        return new

    def _trusted(self, last: Checkpoint | None) -> tiles.Tree:
        """Return the tree of the last checkpoint, and check that the folder has it."""
        tree = self.folder.tree(last.size if last else 0)
        try:
            if last is not None and tree.root() != last.root:
                raise LogDamaged("the tiles are not those of the checkpoint")
        except BadLogData as error:
            raise LogDamaged(error.detail) from None
        return tree

    def _grow(
        self, before: tiles.Tree, entries: Sequence[bytes]
    ) -> tuple[dict[tuple[int, int], list[bytes]], dict[str, bytes]]:
        """Return the tiles that change by level and index, and the bundles by path."""
        old, new = before.size, before.size + len(entries)
        made: dict[tuple[int, int], list[bytes]] = {}
        bundles = {}
        for level, index in tiles.touched(old, new):
            had = tiles.width(level, index, old)
            first, last = index * tiles.WIDTH + had, tiles.width(level, index, new)
            row = list(before.tile(level, index)) if had else []
            if level:
                row += [merkle.fold(made[level - 1, at]) for at in range(first, first + last - had)]
            else:
                added = entries[first - old : first - old + last - had]
                row += [merkle.leaf(one) for one in added]
                kept = self.folder.entries(index, old) if had else []
                path = tiles.path(tiles.ENTRIES, index, last)
                bundles[path] = tiles.bundle([*kept, *added])
            made[level, index] = row
        return made, bundles

    def _tidy(self, full: Iterable[tuple[int, int]]) -> None:
        """Delete the partial tiles that full ones have replaced; what stays harms nobody."""
        for level, index in full:
            names: list[int | str] = [level] if level else [level, tiles.ENTRIES]
            for name in names:
                self.folder.files.below(f"{tiles.path(name, index)}.p").discard()
