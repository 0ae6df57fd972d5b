"""Files on a board: read, written whole or not at all, verified by hash."""

import abc
import binascii
import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from boards import device_code, literals
from boards.errors import BoardError, DeviceFailed, VerifyFailed

TEMPORARY = ".new"  # ending of a file's name until the file is whole
_CHUNK = 768  # bytes sent at once: a thousand characters of source, which fit into any heap
_PATHS_AT_ONCE = 16
_OS = device_code.imports("os")
_SLOW = 60.0  # seconds for a program that reads or erases much flash

Progress = Callable[[int], None]


class Staged(NamedTuple):
    """New contents of a file.

    Attributes:
        path: from the root of the board's file system; its folder exists.
        data: all of its bytes.
        progress: called with the number of bytes that were sent so far.
    """

    path: str
    data: bytes
    progress: Progress | None = None


class Files(abc.ABC):
    """The file operations of a board; a subclass runs code there."""

    @abc.abstractmethod
    def exec(self, code: str, timeout: float = 10.0) -> str:
        """Run code on the board and return what it printed.

        Args:
            code: MicroPython source.
            timeout: seconds that it may take.
        """

    def read(self, path: str) -> bytes:
        """Return the contents of a file.

        Args:
            path: from the root of the board's file system.

        Raises:
            FileMissing: there is no such file.
        """
        with _about(path):
            printed = self.exec(device_code.READ + f"read({path!r})", _SLOW)
        return literals.base64_lines(printed)

    def write(self, path: str, data: bytes, progress: Progress | None = None) -> None:
        """Write a file whole or not at all: under a temporary name, verified, then renamed.

        Args:
            path: from the root of the board's file system; its folder exists.
            data: all of its bytes.
            progress: called with the number of bytes that were sent so far.

        Raises:
            FlashFull, FlashReadOnly, FileMissing: the board can't take it; nothing has changed.
            VerifyFailed: the board holds something else than was sent; nothing has changed.
        """
        self.stage(path, data, progress)
        self.commit([path])

    def stage(self, path: str, data: bytes, progress: Progress | None = None) -> None:
        """Put a file's new contents beside it, verified; `commit` renames them.

        Args:
            path: from the root of the board's file system; its folder exists.
            data: all of its bytes.
            progress: called with the number of bytes that were sent so far.

        Raises:
            FlashFull, FlashReadOnly, FileMissing, VerifyFailed: as `write`.
        """
        self.stage_all([Staged(path, data, progress)])

    def stage_all(self, files: Sequence[Staged]) -> None:
        """As `stage`, for many files, which are verified together at the end.

        Args:
            files: all of them.

        Raises:
            FlashFull, FlashReadOnly, FileMissing, VerifyFailed: as `write`.
        """
        fresh = {file.path + TEMPORARY: file for file in files}
        try:
            self.exec(device_code.WRITE)
            for path, file in fresh.items():
                with _about(file.path):
                    self._send(path, file.data, file.progress)
            found = self.hashes(fresh)
            for path, file in fresh.items():
                if found.get(path) != hashlib.sha256(file.data).digest():
                    raise VerifyFailed(f"{file.path} differs from the data that was sent")
        except (DeviceFailed, VerifyFailed):
            # The board still answers: files that it can't use must not take its room.
            with contextlib.suppress(BoardError):
                self.exec("try:f.close()\nexcept:pass\n")
                self.remove(*fresh)
            raise

    def commit(self, paths: Sequence[str]) -> None:
        """Rename what `stage` put beside these files, one after the other.

        Args:
            paths: of the files, from the root of the board's file system.
        """
        for start in range(0, len(paths), _PATHS_AT_ONCE):
            some = list(paths[start : start + _PATHS_AT_ONCE])
            self.exec(device_code.RENAME + f"commit({some!r},{TEMPORARY!r})", _SLOW)

    def withdraw(self, path: str) -> None:
        """Move the file `path` aside; `commit` brings it back."""
        with _about(path):
            self.exec(device_code.RENAME + f"rename({path!r},{path + TEMPORARY!r})", _SLOW)

    def rename(self, old: str, new: str) -> None:
        """Give a file or a folder another path.

        Args:
            old: its path.
            new: its new path, where nothing is yet.

        Raises:
            FileMissing: there is nothing at `old`.
        """
        with _about(old):
            self.exec(f"{_OS}os.rename({old!r},{new!r})", _SLOW)

    def hash(self, path: str) -> bytes:
        """Return the SHA-256 of a file, 32 bytes, computed on the board.

        Args:
            path: from the root of the board's file system.

        Raises:
            FileMissing: there is no such file.
        """
        with _about(path):
            return literals.digest(self.exec(device_code.HASH + f"print(digest({path!r}))", _SLOW))

    def hashes(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the SHA-256 of many files by path; missing files are left out.

        Args:
            paths: from the root of the board's file system.
        """
        wanted = list(paths)
        found: dict[str, bytes] = {}
        for start in range(0, len(wanted), _PATHS_AT_ONCE):
            found |= self._some_hashes(wanted[start : start + _PATHS_AT_ONCE])
        return found

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder.

        Args:
            path: from the root of the board's file system.

        Raises:
            FileMissing: there is no such folder.
        """
        with _about(path):
            printed = self.exec(f"{_OS}print(os.listdir({path!r}))")
        return sorted(str(name) for name in literals.value(printed, list))

    def tree(self, path: str) -> dict[str, int]:
        """Return every file under the folder `path`, by path, with its size in bytes.

        A folder that does not exist gives an empty result.
        """
        printed = self.exec(device_code.TREE + f"tree({path!r})", _SLOW)
        return dict(literals.pair(line, int) for line in printed.splitlines())

    def mkdirs(self, path: str) -> None:
        """Make the folder `path`, and the folders above it, unless they are there."""
        self.exec(device_code.MKDIRS + f"mkdirs({path!r})")

    def remove(self, *paths: str) -> None:
        """Delete files; a missing file is no error.

        Args:
            paths: from the root of the board's file system.
        """
        for start in range(0, len(paths), _PATHS_AT_ONCE):
            some = paths[start : start + _PATHS_AT_ONCE]
            self.exec(device_code.REMOVE + f"remove({some!r})", _SLOW)

    def remove_tree(self, path: str) -> None:
        """Delete the folder `path` and everything in it; a missing folder is no error."""
        self.exec(device_code.REMOVE_TREE + f"remove_tree({path!r})", _SLOW)

    def _send(self, path: str, data: bytes, progress: Progress | None) -> None:
        # Each program takes several round trips: there is none that only opens or closes the file.
        opened = f"f=open({path!r},'wb')\n"
        for start in range(0, len(data) or 1, _CHUNK):
            chunk = data[start : start + _CHUNK]
            end = start + len(chunk)
            code = f"put({binascii.b2a_base64(chunk, newline=False)!r})"
            code = ("" if start else opened) + code + ("\nf.close()" if end == len(data) else "")
            self.exec(code, _SLOW)
            if progress:
                progress(end)

    def _some_hashes(self, paths: Sequence[str]) -> dict[str, bytes]:
        printed = self.exec(device_code.HASH + f"digests({list(paths)!r})", _SLOW).split()
        if len(printed) != len(paths):
            raise DeviceFailed("the board did not answer for each file")
        return {
            path: literals.digest(digest)
            for path, digest in zip(paths, printed, strict=True)
            if digest != "-"
        }


@contextlib.contextmanager
def _about(path: str) -> Iterator[None]:
    # A board's own message names no file.
    try:
        yield
    except DeviceFailed as error:
        raise type(error)(f"{path}: {error.detail}", error.traceback) from None
