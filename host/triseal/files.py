"""Files in and out: read within a bound, written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

from triseal.errors import FileTooLarge, NotAFile


def read(path: Path, limit: int) -> bytes:
    """The bytes of a regular file.

    Args:
        path: the file; symbolic links are followed.
        limit: most octets that it may have; no more than one beyond is read.

    Raises:
        NotAFile: it is a folder, a pipe or a device.
        FileTooLarge: it has more octets.
        OSError: it can't be opened or read.
    """
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAFile(f"{path} is no regular file")
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise FileTooLarge(f"{path} has more than {limit} octets")
    return data


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all, replacing one that is there.

    Args:
        path: the file; its folder is made.
        data: all of its bytes.
        mode: permissions that it has from its first moment on.
    """
    temporary = _temporary(path, data, mode)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def create(path: Path, data: bytes, mode: int) -> None:
    """As `write`, but raises FileExistsError if there is a file of this name."""
    temporary = _temporary(path, data, mode)
    try:
        path.hardlink_to(temporary)  # unlike a rename, it never replaces
    finally:
        temporary.unlink()


def _temporary(path: Path, data: bytes, mode: int) -> Path:
    """A new file beside `path`, complete and on its disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, "Not a folder", error.filename) from None
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:
        error.filename = path  # nobody has heard of the other one
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
