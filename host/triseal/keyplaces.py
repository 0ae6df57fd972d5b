"""The key in use of a home whose key can be replaced: a change is the rename of one small file.

The first key is in the home itself. Each later one is in a folder of its own, with everything that
belongs to it, and the file `key-in-use` names the folder. A change is therefore complete or has not
happened, whenever the power fails.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from boards import state_folder
from triseal import files
from triseal.errors import NotInitialised

POINTER = "key-in-use"
_LOCK = "key-changes"  # an empty folder: whoever has it locked may change keys
_PREFIX = "key-"
_NAME = re.compile(r"key-[0-9a-f]{16}")


def in_use(home: Path) -> Path:
    """Return the folder of the key in use: the home itself until the first change.

    Args:
        home: the folder of the role.

    Raises:
        NotInitialised: the file names no such folder.
    """
    try:
        text = files.read(home / POINTER, 64).decode(errors="replace").strip()
    except FileNotFoundError:
        return home
    if not _NAME.fullmatch(text) or not (home / text).is_dir():
        raise NotInitialised(f"{home / POINTER} names no folder of a key")
    return home / text


def of(home: Path, fingerprint: str) -> Path:
    """Return the folder for a later key, whether it exists or not.

    Args:
        home: the folder of the role.
        fingerprint: fingerprint of the key, hex.
    """
    return home / f"{_PREFIX}{fingerprint[:16]}"


def every(home: Path) -> list[Path]:
    """Return the folders of all keys of a home: the home itself, then the others sorted by name.

    Args:
        home: the folder of the role.
    """
    later = [path for path in home.glob(_PREFIX + "*") if _NAME.fullmatch(path.name)]
    return [home, *sorted(path for path in later if path.is_dir())]


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep other processes from changing the keys of a home meanwhile.

    Args:
        home: the folder of the role.
    """
    state_folder.make(home / _LOCK)
    with files.alone(home / _LOCK):
        yield


def use(home: Path, folder: Path) -> None:
    """Use another key from now on.

    Args:
        home: the folder of the role.
        folder: the folder of the key, from `of`, which is complete.
    """
    files.write(home / POINTER, folder.name.encode() + b"\n", files.PRIVATE)


def remove(home: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Remove a key that is not used any more. What a killed process has left may be missing.

    Args:
        home: the folder of the role.
        folder: the folder of the key.
        names: the names of its files.
    """
    if folder != home:
        shutil.rmtree(folder)
        return
    for name in names:
        (home / name).unlink(missing_ok=True)
