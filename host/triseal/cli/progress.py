"""The progress of long work: a bar on a terminal, nothing for programs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from boards.provision import Report

_WORDS = {
    "port": "Checking the port",
    "connect": "Connecting",
    "bootloader": "Starting the boot loader",
    "flash": "Writing MicroPython",
    "repl": "Waiting for MicroPython",
    "look": "Checking the board",
    "compile": "Compiling the agent",
    "copy": "Copying the agent",
    "key": "The board makes its key",
    "issue": "The site issues a certificate",
    "write": "Writing",
    "activate": "The board checks and activates",
    "trust": "Updating its trust bundle",
    "time": "Setting the time",
    "seal": "The site seals the service",
    "check": "The board checks three seals",
    "remove": "Removing",
    "restart": "Restarting the agent",
    "tiles": "Checking the log's hashes",
    "entries": "Checking the log's entries",
    "packages": "Checking packages",
    "pages": "Checking pages",
}


def words(step: str) -> str:
    """Return the text for a step.

    Args:
        step: name of the step.
    """
    return _WORDS.get(step, step)


@contextlib.contextmanager
def shown() -> Iterator[Report]:
    """Show progress on standard error while the block runs. The block gets the report to call."""
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """Shows one bar for each step."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._step = ""
        self._task: TaskID | None = None

    def __call__(self, step: str, done: int, total: int) -> None:
        if step != self._step:
            self._finish()
            self._step = step
            self._task = self._bars.add_task(words(step), total=total or None)
        if self._task is not None and total:
            self._bars.update(self._task, completed=done, total=total)

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=1, total=1)
            self._bars.stop_task(self._task)


def _silent(step: str, done: int, total: int) -> None:
    """Report nothing: programs read only the result."""
