"""The reading of a developer's executable, with the checks before it is signed."""

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
        path: a `.py` or `.mpy` file, or a folder of several, which becomes one image.

    Returns: its file name on a board (`app.py`, `app.mpy` or `app.romfs`) and its bytes.

    Raises:
        BadExecutable: the file is empty, of another kind, or MicroPython can't load it.
        BadFolder, CompileFailed: as boards.code.romfs.build.
        FileTooLarge, OSError: as files.read.
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
    """Make the image of a folder. Sources are checked first, since these errors are readable."""
    for source in sorted(folder.rglob("*.py")):
        _check_source(source, files.read(source, limits.MAX_EXECUTABLE))
    data = romfs.build(folder)
    if len(data) > limits.MAX_EXECUTABLE:
        raise FileTooLarge(f"the image of {folder} has more than {limits.MAX_EXECUTABLE} bytes")
    loadable.check("app.romfs", data, f"the image of {folder}")
    return "app.romfs", data


def _check_source(path: Path, data: bytes) -> None:
    """Check that a source is UTF-8 and Python: CPython's errors are clearer than mpy-cross's."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadExecutable(f"{path} is not UTF-8 at byte {error.start}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExecutable(f"{path} is not valid Python: {error}") from None
