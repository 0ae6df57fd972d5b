"""The boards that tests run on: only this module knows how their kinds differ."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from boards.testing import emulated
from boards.virtual.board import VirtualBoard

VIRTUAL = "virtual"
EMULATED = "rp2040:"
_SWITCH_SECONDS = 30.0


class Power(Protocol):
    """Switches a board's power off and on."""

    @abstractmethod
    def power_cut(self) -> None:
        """Switch it off: memory is lost, the flash stays."""

    @abstractmethod
    def power_on(self) -> None:
        """Switch it on."""


class Target(NamedTuple):
    """A board that a test may use freely.

    Attributes:
        port: of the board.
        patience: seconds that it may take until its REPL answers.
        power: its switch; None if there is none.
    """

    port: str
    patience: float = 8.0
    power: Power | None = None


class Switch:
    """A power switch that a command operates, for example a USB hub's."""

    def __init__(self, command: str) -> None:
        """Make a switch: `command` is run with `off` or `on` as its last word, without a shell."""
        self._command = shlex.split(command)

    def power_cut(self) -> None:
        """Switch it off. Raises: CalledProcessError, TimeoutExpired, OSError."""
        self._run("off")

    def power_on(self) -> None:
        """Switch it on. Raises: CalledProcessError, TimeoutExpired, OSError."""
        self._run("on")

    def _run(self, word: str) -> None:
        subprocess.run([*self._command, word], check=True, timeout=_SWITCH_SECONDS)


def open_target(named: str, directory: Path, switch: str = "") -> AbstractContextManager[Target]:
    """Return a board for as long as the block lasts.

    Args:
        named: `virtual`, `rp2040:FIRMWARE.uf2`, or a port as `boards.Board` takes it.
        directory: an empty folder for it.
        switch: a command for the power of a real board, see `Switch`; "" for none.

    Raises: BoardError.
    """
    if named == VIRTUAL:
        return _virtual(directory)
    if named.startswith(EMULATED):
        return _emulated(Path(named.removeprefix(EMULATED)), directory)
    power = Switch(switch) if switch else None
    return contextlib.nullcontext(Target(named, power=power))


@contextlib.contextmanager
def _virtual(directory: Path) -> Iterator[Target]:
    # As much flash as real boards have, so that it is full when theirs is.
    with VirtualBoard(directory, filesystem="littlefs") as board:
        yield Target(board.port, power=board)


@contextlib.contextmanager
def _emulated(firmware: Path, directory: Path) -> Iterator[Target]:
    with emulated.Emulation(firmware, directory) as board:
        yield Target(board.port, patience=emulated.PATIENCE, power=board)
