"""What a developer's executable must look like before it is worth a seal."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from boards import romfs
from sealcore import limits
from triseal import files
from triseal.errors import BadExecutable, FileTooLarge

_MPY_HEADER = 4
_MPY_MAGIC = ord("M")
# From v1.12 (2019) to today. Version 6 is what every release since v1.19 (2022) loads.
_MPY_VERSIONS = range(5, 7)
_MPY_SMALL_INT_BITS = range(15, 65)


def read(path: Path) -> tuple[str, bytes]:
    """Read an executable.

    Args:
        path: a `.py` or `.mpy` file; or a folder of several, which becomes one image.

    Returns: its name on a board, `app.py`, `app.mpy` or `app.romfs`, and its octets.

    Raises:
        BadExecutable: empty, of another kind, or not what its suffix says.
        BadFolder, CompileFailed: see boards.romfs.build.
        FileTooLarge, OSError: see files.read.
    """
    if path.is_dir():
        return _image(path)
    if path.suffix not in (".py", ".mpy"):
        raise BadExecutable(f"{path} ends neither in .py nor in .mpy")
    data = files.read(path, limits.MAX_EXECUTABLE)
    if not data:
        raise BadExecutable(f"{path} is empty")
    if path.suffix == ".mpy":
        _check_mpy(path, data)
    else:
        _check_source(path, data)
    return f"app{path.suffix}", data


def _image(folder: Path) -> tuple[str, bytes]:
    """The image of a folder; sources are looked at first, for errors in words and not codes."""
    for source in sorted(folder.rglob("*.py")):
        _check_source(source, files.read(source, limits.MAX_EXECUTABLE))
    data = romfs.build(folder)
    if len(data) > limits.MAX_EXECUTABLE:
        raise FileTooLarge(f"the image of {folder} has more than {limits.MAX_EXECUTABLE} octets")
    return "app.romfs", data


def _check_mpy(path: Path, data: bytes) -> None:
    """The header as MicroPython's py/persistentcode.c reads it: magic, version, flags, int bits."""
    if len(data) <= _MPY_HEADER or data[0] != _MPY_MAGIC:
        raise BadExecutable(f"{path} does not begin as .mpy files do")
    if data[1] not in _MPY_VERSIONS:
        raise BadExecutable(f"{path} is of .mpy version {data[1]}")
    if data[3] not in _MPY_SMALL_INT_BITS:
        raise BadExecutable(f"{path} has no plausible .mpy header")


def _check_source(path: Path, data: bytes) -> None:
    """UTF-8 that parses as Python: an error here is one that no board has to find."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadExecutable(f"{path} is not UTF-8 at octet {error.start}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExecutable(f"{path} is no Python: {error}") from None
