"""The reading of a developer's executable, with the checks before it is signed.

There is one way in: every file is read once, no link is followed, and the same checks are made for
a file alone and for a file in a folder. `review` then looks for what fails on every board.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from boards.code import romfs, sources
from boards.errors import CompileFailed
from sealcore import limits
from triseal import loadable
from triseal.errors import BadExecutable, FileTooLarge

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Executable:
    """What is signed.

    Attributes:
        name: its file name on a board: `app.py`, `app.mpy` or `app.romfs`.
        content: its bytes.
        packed: the files in it as they were read: contents by path.
        left_out: paths of hidden files, caches and backups of editors, which are not in it.
    """

    name: str
    content: bytes
    packed: Mapping[str, bytes]
    left_out: tuple[str, ...] = ()


def read(path: Path) -> Executable:
    """Read an executable.

    Args:
        path: a `.py` or `.mpy` file, or a folder of several, which becomes one image.

    Raises:
        BadExecutable: a file is empty, of another kind, or MicroPython can't load it.
        BadFolder: the folder is no service, see boards.code.romfs.
        SpecialFile: the file or a file of the folder is a link, a pipe, a device or a socket.
        FileTooLarge: it is larger than an executable may be.
        OSError: a file can't be read.
    """
    return _image(path) if sources.is_folder(path) else _file(path)


def _file(path: Path) -> Executable:
    if path.suffix not in (".py", ".mpy"):
        raise BadExecutable(f"{path} ends neither in .py nor in .mpy")
    data = sources.read(path, limits.MAX_EXECUTABLE + 1)
    if len(data) > limits.MAX_EXECUTABLE:
        raise FileTooLarge(f"{path} has more than {limits.MAX_EXECUTABLE} bytes")
    _check(str(path), data)
    loadable.check(f"app{path.suffix}", data, str(path))
    return Executable(f"app{path.suffix}", data, {path.name: data})


def _image(folder: Path) -> Executable:
    found, left_out = romfs.read(folder)
    for path, data in found.items():
        _check(str(folder / path), data)
    try:
        content = romfs.image(found, str(folder))
    except CompileFailed as error:
        raise BadExecutable(f"MicroPython can't compile it: {folder}/{error.detail}") from None
    if len(content) > limits.MAX_EXECUTABLE:
        raise FileTooLarge(f"the image of {folder} has more than {limits.MAX_EXECUTABLE} bytes")
    loadable.check("app.romfs", content, f"the image of {folder}")
    return Executable("app.romfs", content, found, left_out)


def _check(path: str, data: bytes) -> None:
    """Check one file. For a source, CPython's errors are clearer than those of mpy-cross."""
    if path.endswith(".mpy"):
        loadable.check("app.mpy", data, path)
    elif data.startswith(_BOM):
        raise BadExecutable(f"{path} begins with a byte order mark: save it without one")
    else:
        parse(path, data)


def parse(path: str, data: bytes) -> ast.Module:
    """Parse a source.

    Args:
        path: its name in the error.
        data: its bytes.

    Raises:
        BadExecutable: it is not UTF-8, or not Python.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadExecutable(f"{path} is not UTF-8 at byte {error.start}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExecutable(f"{path} is not valid Python: {error}") from None
