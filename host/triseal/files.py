"""Reading and writing of files: read within a bound, written completely or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

from triseal.errors import FileTooLarge, NotAFile


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
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAFile(f"{path} is not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise FileTooLarge(f"{path} has more than {limit} bytes")
    return data


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file through a rename, completely or not at all; an existing one is replaced.

    Args:
        path: the file; its folder is created if needed.
        data: its contents.
        mode: its permissions from the first moment.

    Raises:
        OSError: it can't be written.
    """
    temporary = _temporary(path, data, mode)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def create(path: Path, data: bytes, mode: int) -> None:
    """Write a new file, completely or not at all.

    Args:
        path: the file; its folder is created if needed.
        data: its contents.
        mode: its permissions from the first moment.

    Raises:
        FileExistsError: the file exists.
        OSError: it can't be written.
    """
    temporary = _temporary(path, data, mode)
    try:
        path.hardlink_to(temporary)  # unlike a rename this never replaces a file
    finally:
        temporary.unlink()


def _temporary(path: Path, data: bytes, mode: int) -> Path:
    """Write a temporary file next to `path` and sync it to the disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, "Not a folder", error.filename) from None
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:
        error.filename = path  # the user does not know the temporary name
        raise
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
    except OSError:
        temporary.unlink()
        raise
    return temporary
