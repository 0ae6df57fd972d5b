"""Checks the files on a board that becomes a node: it may have only the agent's and its own files.

MicroPython runs `boot.py` before the agent, and files in the root hide its own modules. So this
module names every file that it does not know, and a person decides about it.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from boards.code import stage
from boards.errors import ForeignFiles, NotMoved
from boards.files import TEMPORARY, Files

# What to do with foreign files: refuse the board, move them into MOVED, or leave them.
Foreign = Literal["refuse", "move", "keep"]
MOVED = "/triseal-moved"  # not the name of a module, so nothing can be imported from there
# The node's own, the agent's, and the place where firmware mounts a ROMFS.
_FOLDERS = ("triseal", "lib", "rom", "agent", MOVED[1:])
_LIBRARY = "/lib"
_OWN = (*stage.PACKAGES, "slots.mpy", "slots.mpy" + TEMPORARY)
_BOOT = "/boot.py"
_OURS = b"import nlsm"  # text in each main.py of the agent so far
# SHA-256 of the boot.py that ports write when they format a flash, with the place of its text in
# MicroPython's ports/. RP2 boards get no boot.py.
STOCK: Mapping[str, str] = {
    "16f5b4bcb120e9a032242b47967e649a0cc577b41939e81ef7d4b4da181bd17f":
        "esp32/modules/inisetup.py, since 1.10",
    "839e06589e61c1163a93544a39de1f5faa5253a06f49fe8b0a65c49bf81842d1":
        "esp8266/modules/inisetup.py, since 1.23",
    "d5d7809739cf914ec7d5cc1310bc993ed7538c78f8bf73b9a2dec559a9bc06ef":
        "esp8266/modules/inisetup.py, 1.10 to 1.22",
}  # fmt: skip


class Found(NamedTuple):
    """The foreign files that an inventory has found.

    Attributes:
        kept: foreign files and folders that were left where they are.
        moved: those that are in MOVED now, by their former paths.
    """

    kept: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


def settle(board: Files, foreign: Foreign = "refuse") -> Found:
    """Check that a board has no foreign files.

    Args:
        board: with its agent stopped.
        foreign: what to do with files that are not the agent's, the node's or the port's.

    Returns: the foreign files that were kept or moved.

    Raises:
        ForeignFiles: there are such files, and `foreign` is "refuse".
        NotMoved: one of them can't be moved; those before it were moved.
    """
    found = list(_foreign(board))
    if not found:
        return Found()
    if foreign == "refuse":
        raise ForeignFiles(_named(found))
    # A main.py must make way for the agent's, even if other files are kept.
    moved = [path for path in found if foreign == "move" or path == stage.MAIN]
    for path in moved:
        _move(board, path)
    return Found(tuple(path for path in found if path not in moved), tuple(moved))


def _foreign(board: Files) -> Iterator[str]:
    for name in board.listdir("/"):
        path = f"/{name}"
        if name in _FOLDERS or path == stage.MAIN + TEMPORARY:
            continue
        if path == _BOOT and board.hash(path).hex() in STOCK:
            continue
        if path == stage.MAIN and _OURS in board.read(path):
            continue
        yield path
    if "lib" in board.listdir("/"):
        yield from (f"{_LIBRARY}/{name}" for name in board.listdir(_LIBRARY) if name not in _OWN)


def _named(paths: list[str]) -> str:
    shown = ", ".join(paths[:5])
    return shown if len(paths) <= 5 else f"{shown} and {len(paths) - 5} more"


def _move(board: Files, path: str) -> None:
    """Move a file aside under its own name; files that were moved before under this
    name stay, too."""
    board.mkdirs(MOVED)
    there = board.listdir(MOVED)
    name = path[1:].replace("/", "-")
    fresh = next(one for one in _numbered(name) if one not in there)
    board.rename(path, f"{MOVED}/{fresh}")
    if path[1:] in board.listdir("/"):
        raise NotMoved(path)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name}.{number}"
        number += 1
