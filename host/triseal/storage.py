"""Where the files of a Store are: in a folder, or in a bucket (`triseal.bucket`).

Both keep the same promise. A file is there as a whole or not at all, and it lasts once `write_all`
has returned. If a crash ends the writing of several files, those that came first are there. So the
Store writes packages and tiles before the checkpoint that is about them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from triseal import files

if TYPE_CHECKING:
    from triseal.bucket import Place

BUCKET = "bucket.json"  # in the home of a Store whose files are, or were, in a bucket
MAX_BUCKET = 4096
_DAMAGED = "bucket.json in the Store's home is damaged"
LOCKS = "locks"  # in the same home


class Stream(Protocol):
    """A file that is being read.

    Attributes:
        size: its size, bytes.
    """

    size: int

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer only at the end, or if the file is shorter than it said.

        Args:
            size: number of bytes.
        """
        ...

    def close(self) -> None:
        """End the reading."""
        ...


class Storage(Protocol):
    """Files by their paths, such as `log/checkpoint`.

    Attributes:
        server: URL of the server that has them, without a slash at its end; "" for a folder, and
            for the server that `boto3` finds.
    """

    @property
    def server(self) -> str: ...  # noqa: D102 - an attribute

    def below(self, path: str, *, private: bool = False) -> Storage:
        """Return the files below a path.

        Args:
            path: the path.
            private: whether the files are for nobody but the Store.
        """
        ...

    def where(self, path: str) -> str:
        """Return the place of a file, for people.

        Args:
            path: its path.
        """
        ...

    def local(self, path: str) -> Path | None:
        """Return the place of a file on this computer; None if files are elsewhere.

        Args:
            path: its path.
        """
        ...

    def read(self, path: str, limit: int) -> bytes:
        """Read a file.

        Args:
            path: its path.
            limit: largest size, bytes.

        Raises:
            FileNotFoundError: it is missing.
            NotAFile, FileTooLarge: it is no file, or larger.
            Failure, OSError: it can't be read.
        """
        ...

    def opened(self, path: str) -> Stream:
        """Open a file for reading. Raises as `read`.

        Args:
            path: its path.
        """
        ...

    def exists(self, path: str) -> bool:
        """Tell whether there is a file.

        Args:
            path: its path.
        """
        ...

    def any(self) -> bool:
        """Tell whether there is any file."""
        ...

    def write(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a file as a whole or not at all; an existing one is replaced.

        Args:
            path: its path.
            pieces: its contents.

        Raises:
            Failure, OSError: it can't be written.
        """
        ...

    def write_all(self, contents: Mapping[str, bytes]) -> None:
        """Write files one after the other, and return when all of them last. Raises as `write`.

        Args:
            contents: the contents by path.
        """
        ...

    def move(self, path: str, to: Storage) -> None:
        """Move a file. If the process ends meanwhile, both may be there: then move it again.

        Args:
            path: its path, which stays the same.
            to: where it is afterwards; of the same kind as this one.
        """
        ...

    def paths(self) -> Iterator[str]:
        """Return the paths of all files, in any order."""
        ...

    def remove(self, path: str) -> None:
        """Delete a file, if there is one.

        Args:
            path: its path.
        """
        ...

    def discard(self) -> None:
        """Delete all files as far as possible: they are not needed, and harm nobody."""
        ...

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes of this computer that do the same from working meanwhile."""
        ...


class LocalFolder:
    """Files in a folder of this computer, written through a rename and synced.

    Args:
        top: the folder; it is made with the first file.
        mode: permissions of the files.
        base: a folder above, which lasts; those between may be new. None for `top` itself.
    """

    server = ""

    def __init__(self, top: Path, mode: int = 0o644, base: Path | None = None) -> None:
        self._top = top
        self._mode = mode
        self._base = base or top
        self._lasts = False  # whether the names of the folders from `base` to `top` are synced

    def below(self, path: str, *, private: bool = False) -> LocalFolder:
        """Return the folder with this path.

        Args:
            path: its path.
            private: whether it is for nobody but the Store.
        """
        return LocalFolder(self._top / path, files.PRIVATE if private else self._mode, self._base)

    def where(self, path: str) -> str:
        """Return the path.

        Args:
            path: its path.
        """
        return str(self._top / path)

    def local(self, path: str) -> Path:
        """Return the path.

        Args:
            path: its path.
        """
        return self._top / path

    def read(self, path: str, limit: int) -> bytes:
        """Read a file, see `files.read`.

        Args:
            path: its path.
            limit: largest size, bytes.
        """
        return files.read(self._top / path, limit)

    def opened(self, path: str) -> Stream:
        """Open a file.

        Args:
            path: its path.
        """
        return _Opened(self._top / path)

    def exists(self, path: str) -> bool:
        """Tell whether there is a file.

        Args:
            path: its path.
        """
        return (self._top / path).exists()

    def any(self) -> bool:
        """Tell whether the folder has anything."""
        return self._top.is_dir() and any(self._top.iterdir())

    def write(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a file through a rename.

        Args:
            path: its path.
            pieces: its contents.
        """
        files.write_pieces(self._top / path, pieces, self._mode)

    def write_all(self, contents: Mapping[str, bytes]) -> None:
        """Write files, and sync them with their folders.

        Args:
            contents: the contents by path.
        """
        for path, data in contents.items():
            self.write(path, [data])
        self._settle(contents)

    def _settle(self, paths: Iterable[str]) -> None:
        """Let the names of files last, and once those of the folders above them as well."""
        above = self._top if self._lasts else self._base
        files.settle([self._top / path for path in paths], above)
        self._lasts = True

    def move(self, path: str, to: Storage) -> None:
        """Rename a file.

        Args:
            path: its path.
            to: where it is afterwards.
        """
        if not isinstance(to, LocalFolder):
            raise TypeError("a file of a folder is moved to a folder")
        files.make_folder(to._top, to._mode)
        (self._top / path).rename(to._top / path)
        for place in (to, self):  # the file may last twice, but not nowhere
            place._settle([path])

    def paths(self) -> Iterator[str]:
        """Return the paths of all files, without those that are being written.

        Raises:
            OSError: a folder can't be read.
        """
        for folder, _, names in os.walk(self._top, onerror=_unless_missing, followlinks=True):
            for name in names:
                if not name.startswith("."):
                    yield (Path(folder) / name).relative_to(self._top).as_posix()

    def remove(self, path: str) -> None:
        """Delete a file, if there is one.

        Args:
            path: its path.
        """
        (self._top / path).unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self._top, ignore_errors=True)
        self._lasts = False

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder."""
        files.make_folder(self._top, self._mode)
        with files.alone(self._top):
            yield


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


class _Opened:
    """A file of a folder that is being read."""

    def __init__(self, path: Path) -> None:
        self._stream = files.opened(path)
        self.size = os.fstat(self._stream.fileno()).st_size

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def close(self) -> None:
        self._stream.close()


def of(place: Path | Storage) -> Storage:
    """Return the files of a place.

    Args:
        place: a folder, or files already.
    """
    return LocalFolder(place) if isinstance(place, Path) else place


def at(home: Path, place: Place | None) -> Storage:
    """Return the files of a Store at a place, whether they are there or not.

    Args:
        home: the Store's folder.
        place: the place; None for the home.
    """
    if place is None:
        return LocalFolder(home)
    from triseal.bucket import Bucket

    return Bucket(place, home / LOCKS)


def same(one: Storage, other: Storage) -> bool:
    """Tell whether two are at one place: buckets of one name may be on two servers.

    Args:
        one: files of a Store.
        other: files of a Store.
    """
    return (one.where(""), one.server) == (other.where(""), other.server)


@dataclass(frozen=True)
class Whereabouts:
    """Where the files of a Store are since a move. The database has the newest, see `store.places`.

    Attributes:
        number: grows by one with each move; that of a new Store is 1.
        place: the bucket; None for the home.
        folder: after a move into the home, a random text that only this home has.
    """

    number: int = 1
    place: Place | None = None
    folder: str = ""

    def text(self) -> bytes:
        """Return the file that the home has about it, and a bucket that was left."""
        facts = {"number": self.number, "url": str(self.place or ""), "folder": self.folder}
        facts["endpoint"] = self.place.endpoint if self.place else ""
        return json.dumps(facts).encode() + b"\n"

    @staticmethod
    def parse(data: bytes) -> Whereabouts:
        """Return what such a file says.

        Args:
            data: the file. Older ones have no number, and no folder.

        Raises:
            BadBucket: it is damaged.
        """
        from triseal.bucket import BadBucket, Place  # few Stores have one

        try:
            facts = {"number": 1, "folder": "", **json.loads(data)}
            number, folder = facts.pop("number"), facts.pop("folder")
            url, endpoint = facts.pop("url"), facts.pop("endpoint")
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadBucket(_DAMAGED) from None
        texts = all(isinstance(one, str) for one in (url, endpoint, folder))
        if not texts or type(number) is not int or number < 1 or facts:
            raise BadBucket(_DAMAGED)
        return Whereabouts(number, Place.of(url, endpoint) if url else None, folder)


def note(home: Path) -> Whereabouts:
    """Return where the files of a Store were when its database was last asked from this home.

    Args:
        home: the Store's folder.

    Raises:
        BadBucket: the file about it is damaged.
    """
    try:
        return Whereabouts.parse(files.read(home / BUCKET, MAX_BUCKET))
    except FileNotFoundError:
        return Whereabouts()


def write_note(home: Path, where: Whereabouts) -> None:
    """Write what `note` returns, as a whole or not at all.

    Args:
        home: the Store's folder.
        where: where its files are.
    """
    files.write(home / BUCKET, where.text(), files.PRIVATE)
    files.settle([home / BUCKET], home)


def of_home(home: Path) -> Storage:
    """Return the files of a Store, for those who only read and do not ask its database.

    Args:
        home: the Store's folder.

    Raises:
        BadBucket: the file about it is damaged.
    """
    return at(home, note(home).place)


@contextlib.contextmanager
def staying(home: Path, *, shared: bool) -> Iterator[None]:
    """Keep the files of a Store where they are, against other processes of this computer.

    Args:
        home: the Store's folder.
        shared: whether others may do the same meanwhile. The process that moves the files must be
            alone.
    """
    folder = home / LOCKS / "place"
    files.make_folder(folder, files.PRIVATE)
    with files.alone(folder, shared=shared):
        yield
