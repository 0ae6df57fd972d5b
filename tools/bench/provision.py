"""The time to make a virtual board a node, and to do it again."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import Figure
from boards.board import Board
from boards.code import stage
from boards.code.stage import StagedFile
from boards.virtual.board import VirtualBoard
from triseal.site import home
from triseal.site.fleet import Fleet
from triseal.site.home import Founding

_NODE = "kitchen"


def measure() -> Iterator[Figure]:
    """Yield `node.provision` of a new board, and `node.provision.again` of one that is up to date.

    Both are the seconds for everything: code, key, certificate, trust, restart, time. The baseline
    is mpremote, which copies the same files to another new board and checks nothing.
    """
    with tempfile.TemporaryDirectory(prefix="triseal-bench-") as name:
        folder = Path(name)
        home.init(folder / "site", Founding("house", "p256"), None, int(time.time()))
        with VirtualBoard(folder / "plain") as plain:
            with Board(plain.port) as board:
                files = stage.plan(board.facts().target)  # compiled once, as for any second board
            baseline = copy(plain.port, files, folder / "files")
        with Fleet(folder / "site") as fleet, VirtualBoard(folder / "board") as virtual:
            for figure in ("node.provision", "node.provision.again"):
                taken = _seconds(lambda: fleet.provision(virtual.port, _NODE))
                yield Figure(figure, taken, "s", baseline)


def copy(port: str, files: Sequence[StagedFile], folder: Path) -> float:
    """Return the seconds in which mpremote copies files to a board.

    Args:
        port: of the board.
        files: the files.
        folder: where they are put first.
    """
    paths = _write(files, folder)
    return _seconds(lambda: _copy(port, paths))


def _write(files: Sequence[StagedFile], folder: Path) -> list[str]:
    """Return the files on this computer, as arguments of mpremote."""
    for file in files:
        path = folder / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    return [str(path) for path in sorted(folder.iterdir())]


def _copy(port: str, paths: Sequence[str]) -> None:
    words = [sys.executable, "-m", "mpremote", "connect", port, "fs", "cp", "-r", *paths, ":/"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _seconds(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start
