"""What a developer's executable must look like before it is worth a seal."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from boards.code import romfs
from sealcore import limits
from triseal import files, loadable
from triseal.errors import BadExecutable, FileTooLarge


def read(path: Path) -> tuple[str, bytes]:
    """Read an executable.

    Args:
        path: a `.py` or `.mpy` file; or a folder of several, which becomes one image.

    Returns: its name on a board, `app.py`, `app.mpy` or `app.romfs`, and its octets.

    Raises:
        BadExecutable: empty, of another kind, or nothing that MicroPython could load.
        BadFolder, CompileFailed: see boards.code.romfs.build.
        FileTooLarge, OSError: see files.read.
    """
    if path.is_dir():
        return _image(path)
    if path.suffix not in (".py", ".mpy"):
        raise BadExecutable(f"{path} ends neither in .py nor in .mpy")
    data = files.read(path, limits.MAX_EXECUTABLE)
    if path.suffix == ".py":
        _check_source(path, data)
    loadable.check(f"app{path.suffix}", data, str(path))
    return f"app{path.suffix}", data


def _image(folder: Path) -> tuple[str, bytes]:
    """The image of a folder; sources are looked at first, for errors in words and not codes."""
    for source in sorted(folder.rglob("*.py")):
        _check_source(source, files.read(source, limits.MAX_EXECUTABLE))
    data = romfs.build(folder)
    if len(data) > limits.MAX_EXECUTABLE:
        raise FileTooLarge(f"the image of {folder} has more than {limits.MAX_EXECUTABLE} octets")
    loadable.check("app.romfs", data, f"the image of {folder}")
    return "app.romfs", data


def _check_source(path: Path, data: bytes) -> None:
    """UTF-8 that parses as Python: CPython's errors are clearer than those of mpy-cross."""
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
