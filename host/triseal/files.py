"""Reading and writing of files: read within a bound, written completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import select
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from boards import state_folder
from sealcore.errors import SealError
from triseal.errors import Failure, FileTooLarge, NotAFile, NotPrivate

T = TypeVar("T")

PRIVATE = 0o600  # whatever the umask is; also for folders that are made, which get 0700
_OPENED = re.compile(r"/dev/fd/(\d{1,6})|/proc/self/fd/(\d{1,6})|/dev/(stdin|stdout|stderr)")
_STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}
_PATIENCE = 120.0  # seconds for the program at the other end of a pipe, which may ask a person
_PIECE = 4096
# A file system without these features; what is written there is no worse than what is copied there.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
# What can't be opened is a socket, or a device that is not there.
_NO_FILE = (errno.ENXIO, errno.ENODEV)
_NO_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
_OTHERS = 0o077
_held = threading.local()  # `folders`: those that `alone` has locked in this thread


def read(path: Path, limit: int) -> bytes:
    """Read a regular file.

    Args:
        path: the file; symbolic links are followed.
        limit: largest size, bytes; at most one byte more is read.

    Raises:
        NotAFile: it is a folder, a pipe or a device.
        FileTooLarge: it is larger.
        OSError: it can't be opened or read.
    """
    with opened(path) as stream, _about(path):
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise _too_large(path, limit)
    return data


def opened(path: Path) -> BinaryIO:
    """Open a regular file for reading; the caller must close it.

    Args:
        path: the file; symbolic links are followed.

    Raises:
        NotAFile: it is a folder, a pipe or a device.
        OSError: it can't be opened.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _no_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(path)
    return os.fdopen(descriptor, "rb")


def parsed(path: Path, limit: int, parse: Callable[[bytes], T]) -> T:
    """Read a regular file and parse it, so that an error names the file.

    Args:
        path: the file; symbolic links are followed.
        limit: largest size, bytes.
        parse: reads the contents.

    Returns: what `parse` returns.

    Raises:
        NotAFile, FileTooLarge, OSError: as `read`.
        Failure, SealError: the errors of `parse`, with the path before what was seen.
    """
    data = read(path, limit)
    try:
        return parse(data)
    except (Failure, SealError) as error:
        text = f"{path}: {error}" if str(error) else str(path)
        error.args = (text,)
        if isinstance(error, Failure):
            error.detail = text
        raise


def read_json(path: Path, limit: int) -> dict[str, Any]:
    """Read a regular file with a JSON object.

    Args:
        path: the file; symbolic links are followed.
        limit: largest size, bytes.

    Raises:
        ValueError: it is not JSON in UTF-8, or another value than an object.
        NotAFile, FileTooLarge, OSError: as `read`.
    """
    data = read(path, limit)
    try:
        found = json.loads(data)
    except RecursionError:  # of lists in lists in lists
        found = None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def receive(path: Path, limit: int) -> bytes:
    """Read a file, or what comes through a pipe, such as `<(...)` or /dev/stdin, until its end.

    Args:
        path: the file or pipe.
        limit: largest size, bytes.

    Raises:
        NotAFile: it is a folder, a terminal or another device.
        FileTooLarge: it is larger.
        TimeoutError: nothing came through the pipe.
        OSError: it can't be opened or read.
    """
    descriptor = _open_any(path, os.O_RDONLY)
    try:
        kind = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
            raise NotAFile(f"{path} is neither a file nor a pipe")
        data = b""
        while len(data) <= limit:
            if not select.select([descriptor], [], [], _PATIENCE)[0]:
                raise TimeoutError(errno.ETIMEDOUT, "Nothing came in two minutes", str(path))
            piece = os.read(descriptor, _PIECE)
            if not piece:
                return data
            data += piece
    finally:
        os.close(descriptor)
    raise _too_large(path, limit)


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file through a rename, completely or not at all; an existing one is replaced.

    A pipe, /dev/stdout and /dev/null are written to, and not replaced.

    Args:
        path: the file; its folder is created if needed.
        data: its contents.
        mode: its permissions from the first moment; see PRIVATE.

    Raises:
        NotAFile: it is a disk or a socket.
        OSError: it can't be written.
    """
    write_pieces(path, [data], mode)


def write_pieces(path: Path, pieces: Iterable[bytes], mode: int = 0o644) -> None:
    """Write a file that comes in pieces, as `write` does: completely or not at all.

    Args:
        path: the file; its folder is created if needed.
        pieces: its contents. If making them fails, nothing is written.
        mode: its permissions from the first moment; see PRIVATE.

    Raises:
        NotAFile: it is a disk or a socket.
        OSError: it can't be written.
    """
    if is_special(path):
        for piece in pieces:
            _send(path, piece)
        return
    with _temporary(path, pieces, mode) as temporary:
        temporary.replace(path)


def make_folder(folder: Path, mode: int = 0o644) -> None:
    """Make a folder and those above it, unless they are there.

    Args:
        folder: its path.
        mode: permissions of the files in it; with PRIVATE, only the owner reaches the folder.

    Raises:
        NotADirectoryError: something else has its name.
        OSError: it can't be made.
    """
    try:
        if mode == PRIVATE:
            state_folder.make(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, "Not a folder", error.filename) from None


def create(path: Path, data: bytes, mode: int) -> None:
    """Write a new file, completely or not at all.

    Args:
        path: the file; its folder is created if needed.
        data: its contents.
        mode: its permissions from the first moment.

    Raises:
        FileExistsError: the file exists.
        NotPrivate: it would be PRIVATE, but its file system keeps no permissions.
        OSError: it can't be written.
    """
    with _temporary(path, [data], mode) as temporary:
        # Otherwise a key would be made that nothing opens, because others have access to it.
        if mode == PRIVATE and is_open(temporary):
            raise NotPrivate(f"{path}: the file system gives other users access to each file")
        try:
            path.hardlink_to(temporary)  # unlike a rename this never replaces a file
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _rename_to_new(temporary, path)


def settle(paths: Iterable[Path], top: Path) -> None:
    """Make the names of written files last: a power cut can take a name that is not synced.

    Args:
        paths: the files.
        top: their folders are synced up to this one, which contains all of them.

    Raises:
        OSError: a folder can't be opened.
    """
    folders = {folder for path in paths for folder in path.parents if folder.is_relative_to(top)}
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def alone(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Keep other processes that do the same from working on a folder meanwhile.

    Args:
        folder: the folder.
        shared: whether others that say so too may work on it at the same time.

    Raises:
        OSError: there is no such folder.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    folders = _held_folders()
    try:
        with contextlib.suppress(OSError):  # where folders can't be locked, two may race
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        found = os.fstat(descriptor)
        folders.append((found.st_dev, found.st_ino))
        try:
            yield
        finally:
            folders.pop()
    finally:
        os.close(descriptor)


def is_open(path: Path) -> bool:
    """Tell whether other users than its owner have access to a file.

    Args:
        path: the file; symbolic links are followed.

    Raises:
        OSError: there is no such file.
    """
    return os.name == "posix" and bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS)


def trouble(folder: Path) -> int:
    """Return the number of the error with which no file can be made in a folder; 0 if one can.

    Args:
        folder: the folder.
    """
    probe = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
        probe.unlink()
    except OSError as error:
        return error.errno or 0
    return 0


def _held_folders() -> list[tuple[int, int]]:
    if not hasattr(_held, "folders"):
        _held.folders = []
    found: list[tuple[int, int]] = _held.folders
    return found


def _alone_unless_held(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Lock a folder; nothing if this thread has locked it, which would wait for itself."""
    found = folder.stat()
    held = (found.st_dev, found.st_ino) in _held_folders()
    return contextlib.nullcontext() if held else alone(folder)


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Rename a file unless another one has its name, on a file system without hard links."""
    with _alone_unless_held(path.parent):
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        temporary.rename(path)


@contextlib.contextmanager
def _temporary(path: Path, pieces: Iterable[bytes], mode: int) -> Iterator[Path]:
    """Write a temporary file next to `path` and sync it to the disk. It goes with the block."""
    make_folder(path.parent, mode)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            if mode == PRIVATE:
                os.fchmod(descriptor, mode)  # whatever the umask
            stream.writelines(pieces)
            stream.flush()
            _sync(descriptor)
        yield temporary
    except OSError as error:
        if error.filename in (None, temporary, str(temporary)):
            error.filename = str(path)  # the user does not know the temporary name
            error.filename2 = None
        raise
    finally:
        with contextlib.suppress(OSError):  # a read-only disk says so even if there is no file
            temporary.unlink()


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _opened(path: Path) -> int | None:
    """Return the descriptor that a path stands for, or None."""
    found = _OPENED.fullmatch(os.fspath(path))
    if found is None:
        return None
    return _STANDARD[found[3]] if found[3] else int(found[1] or found[2])


def is_special(path: Path) -> bool:
    """Tell whether a path leads to something that a rename would destroy instead of filling it.

    Args:
        path: the path. What is written there leaves at once, and can't be taken back.

    Raises:
        NotAFile: it is a disk or a socket.
        IsADirectoryError: it is a folder.
    """
    if _opened(path) is not None:
        return True
    try:
        kind = path.stat().st_mode
    except OSError:
        return False  # the rename tells the reason, if it is one
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISBLK(kind) or stat.S_ISSOCK(kind):
        raise NotAFile(f"{path} is a {'disk' if stat.S_ISBLK(kind) else 'socket'}")
    return not stat.S_ISREG(kind)


def _open_any(path: Path, flag: int) -> int:
    opened = _opened(path)
    if opened is None:
        return os.open(path, flag | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    # It can't always be opened again: it may be a socket, or another user's pipe.
    with _about(path):
        return os.dup(opened)


def _send(path: Path, data: bytes) -> None:
    descriptor = _open_any(path, os.O_WRONLY)
    try:
        with _about(path):
            while data:
                select.select([], [descriptor], [])
                data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _no_file(path: Path) -> NotAFile:
    return NotAFile(f"{path} is not a regular file")


def _too_large(path: Path, limit: int) -> FileTooLarge:
    return FileTooLarge(f"{path} has more than {limit} bytes")
