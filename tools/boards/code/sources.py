"""The files of which a service is made. No link is followed, and nothing is waited for."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from boards.errors import SpecialFile

# Never packed: hidden files and folders, caches of CPython, and the backups of editors.
_LEFT_OUT = re.compile(r"\..*|__pycache__|.*\.pyc|.*~|#.*#|.*\.(bak|orig|rej|swp|tmp)", re.DOTALL)

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder.

    Args:
        path: a folder or a regular file.

    Raises:
        SpecialFile: it is a symbolic link, a pipe, a device or a socket.
        OSError: there is nothing, or it can't be reached.
    """
    return _is_folder(path.lstat().st_mode, str(path))


def walk(folder: Path, left_out: list[str]) -> Iterator[PurePosixPath]:
    """Find the files under a folder, in the order of their paths.

    Args:
        folder: the folder.
        left_out: gets the paths of the hidden files, caches and backups, which are never packed.

    Returns: their paths within the folder.

    Raises:
        SpecialFile: a symbolic link, a pipe, a device or a socket is in it.
        OSError: a folder can't be read.
    """
    todo = [PurePosixPath()]
    while todo:
        here = todo.pop()
        with os.scandir(folder / here) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        folders = []
        for entry in found:
            path = here / entry.name
            if _LEFT_OUT.fullmatch(entry.name):
                left_out.append(str(path))
            elif _is_folder(entry.stat(follow_symlinks=False).st_mode, str(folder / path)):
                folders.append(path)
            else:
                yield path
        todo += reversed(folders)


def read(path: Path, limit: int) -> bytes:
    """Read a regular file.

    Args:
        path: the file.
        limit: most bytes to return; a larger file is cut off there.

    Raises:
        SpecialFile: it is a symbolic link, a pipe, a device, a socket or a folder.
        OSError: it can't be read.
    """
    if is_folder(path):
        raise SpecialFile(f"{path} is a folder")
    # If something else is put there meanwhile, O_NOFOLLOW refuses a link, and O_NONBLOCK keeps the
    # opening of a pipe from waiting for its other end.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as stream:
        _is_folder(os.fstat(descriptor).st_mode, str(path))
        return stream.read(limit)


def _is_folder(mode: int, path: str) -> bool:
    kind = _KINDS.get(stat.S_IFMT(mode))
    if kind:
        raise SpecialFile(f"{path} is {kind}")
    return stat.S_ISDIR(mode)
