"""A disk whose power can be cut after each of its writes: all states that may be found then."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Contents = dict[str, bytes]  # by path relative to the folder


class Disk:
    """Watches the writes below a folder, and knows what of them a power cut can't take.

    The contents of a file last from its fsync on, and the names in a folder from the folder's
    fsync on. Whatever else was written may be there after a power cut or not.

    Args:
        top: the folder, which exists; everything in it lasts.
        seed: which of the mixed states are made.
    """

    def __init__(self, top: Path, seed: int = 1) -> None:
        self.top = top
        self._random = random.Random(seed)
        self._names: dict[Path, dict[str, int]] = {}
        self._data: dict[int, bytes] = {}
        # A file that nobody has open gives its number to the next one, whose contents the names
        # of before would then have.
        self._open: dict[int, int] = {}
        for folder in (top, *(path for path in top.rglob("*") if path.is_dir())):
            self._names[folder] = self._listing(folder)
        for path in top.rglob("*"):
            if path.is_file():
                self._data[path.stat().st_ino] = path.read_bytes()
        self.states: list[list[Contents]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """After each fsync and each rename, note in which states a power cut can leave the disk."""
        sync, rename = os.fsync, Path.replace

        def synced(descriptor: int) -> None:
            sync(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.is_dir():
                self._names[path] = self._listing(path)
            else:
                self._hold(path)
                self._data[path.stat().st_ino] = path.read_bytes()
            self._note()

        def renamed(source: Path, target: Path) -> Path:
            made = rename(source, target)
            self._note()
            return made

        os.fsync = synced  # type: ignore[assignment]
        Path.replace = renamed  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            os.fsync = sync
            Path.replace = rename  # type: ignore[method-assign]
            while self._open:
                os.close(self._open.popitem()[1])

    def _hold(self, path: Path) -> None:
        number = path.stat().st_ino
        if number not in self._open:
            self._open[number] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def _listing(self, folder: Path) -> dict[str, int]:
        try:
            found = [path for path in folder.iterdir() if not path.is_socket()]
        except FileNotFoundError:
            return {}
        for path in found:
            self._hold(path)
        return {path.name: path.stat().st_ino for path in found}

    def _note(self) -> None:
        chances = (0.0, 1.0, 0.5, 0.5)  # that what need not last did last
        self.states.append([dict(self._walk(self.top, chance)) for chance in chances])

    def _walk(self, folder: Path, chance: float) -> Iterator[tuple[str, bytes]]:
        names = dict(self._names.get(folder, {}))
        now = self._listing(folder)
        for name in {**names, **now}:
            if self._random.random() < chance:
                names.pop(name, None)
                if name in now:
                    names[name] = now[name]
        inodes = {node: name for name, node in now.items()}
        for name, node in names.items():
            here = folder / inodes.get(node, name)
            if here.is_dir():
                yield from self._walk(here, chance)
            elif node in self._data:
                yield (folder / name).relative_to(self.top).as_posix(), self._data[node]
            else:  # a name without its contents
                yield (folder / name).relative_to(self.top).as_posix(), b""


def make(contents: Contents, top: Path) -> None:
    """Put a state into an empty folder."""
    for path, data in contents.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(data)
