"""Waiting, with progress, until nodes have confirmed a change."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from triseal.site.manager import Manager
from triseal.site.rules.guarantee import Guarantee

DEFAULT_SECONDS = 5.0
_LOOK_EVERY = 0.2

Wait = Annotated[
    float,
    typer.Option("--wait", min=0, help="Seconds to wait for nodes to confirm.", metavar="SECONDS"),
]


def confirmations(
    site: Manager, found: Guarantee, seconds: float, *, service: str = "", node: str = ""
) -> Guarantee:
    """Wait until all nodes have confirmed, until the bound is past, or as long as was asked for.

    Args:
        site: the site.
        found: what the change guaranteed when it was made.
        seconds: to wait at most.
        service, node: what was changed.

    Returns: how far it is.
    """
    end = time.monotonic() + seconds
    if not found.waiting or not seconds:
        return found
    total = len(found.confirmed) + len(found.ended) + len(found.waiting)
    with shown("confirmed by", total) as report:
        report(total - len(found.waiting))
        while found.waiting and time.monotonic() < end:
            time.sleep(_LOOK_EVERY)
            found = site.guarantee(service=service, node=node)
            report(total - len(found.waiting))
    return found


@contextlib.contextmanager
def shown(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """How many nodes are so far, on the terminal only: what is printed for programs stays as it is.

    Args:
        what: they are.
        total: nodes.
    """
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("nodes"))
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        bar = progress.add_task("nodes", total=total)
        yield lambda done: progress.update(bar, completed=done)
