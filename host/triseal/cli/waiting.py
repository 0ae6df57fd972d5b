"""Waiting for nodes to confirm a change, with a progress bar."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from triseal.site.manager import Manager
    from triseal.site.rules.guarantee import Guarantee

DEFAULT_SECONDS = 5.0
_CHECK_EVERY = 0.2

Wait = Annotated[
    float,
    typer.Option("--wait", min=0, help="Seconds to wait for nodes to confirm.", metavar="SECONDS"),
]


def confirmations(
    site: Manager, guarantee: Guarantee, seconds: float, *, service: str = "", node: str = ""
) -> Guarantee:
    """Wait until all nodes have confirmed a change, until its bound is past, or the time is up.

    Args:
        site: the site.
        guarantee: the guarantee at the time of the change.
        seconds: time to wait at most.
        service: name of the changed service, or "".
        node: name of the changed node, or "".

    Returns: the guarantee at the end.
    """
    return until_confirmed(lambda: site.guarantee(service=service, node=node), guarantee, seconds)


def until_confirmed(
    compute: Callable[[], Guarantee], guarantee: Guarantee, seconds: float
) -> Guarantee:
    """Wait as `confirmations` does for any kind of guarantee.

    Args:
        compute: returns the guarantee as it is now.
        guarantee: the guarantee at the time of the change.
        seconds: time to wait at most.

    Returns: the guarantee at the end.
    """
    end = time.monotonic() + seconds
    if not guarantee.waiting or not seconds:
        return guarantee
    total = len(guarantee.confirmed) + len(guarantee.ended) + len(guarantee.waiting)
    with shown("confirmed by", total) as report:
        report(total - len(guarantee.waiting))
        while guarantee.waiting and time.monotonic() < end:
            time.sleep(_CHECK_EVERY)
            guarantee = compute()
            report(total - len(guarantee.waiting))
    return guarantee


@contextlib.contextmanager
def shown(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show the number of nodes so far, but only on a terminal: output for programs stays the same.

    Args:
        what: what the nodes have done, such as "confirmed by".
        total: number of nodes.
    """
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("nodes"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("nodes", total=total)
        yield lambda done: progress.update(bar, completed=done)


def _silent(_: int) -> None:
    """Report nothing: programs read only the result."""
