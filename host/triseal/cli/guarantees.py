"""The printing of guarantees, for the commands of `triseal site` that change something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from triseal import words
from triseal.cli import output

if TYPE_CHECKING:
    from triseal.site.rules.guarantee import Guarantee


def show(guarantee: Guarantee, *, as_json: bool) -> None:
    """Print where a change is in force, and when it will be elsewhere.

    Args:
        guarantee: the guarantee.
        as_json: whether to print JSON.
    """
    if as_json:
        output.facts(facts(guarantee), as_json=True)
        return
    typer.echo(sentence(guarantee))
    show_nodes(guarantee)


def show_nodes(guarantee: Guarantee) -> None:
    """Print for each node that waits when the old state ends there.

    Args:
        guarantee: the guarantee.
    """
    if guarantee.lasting:
        return
    for node, until in guarantee.waiting.items():
        late = guarantee.clocks.get(node, 0)
        typer.echo(f"  {node}: {output.time(until)}, including {late} s for its clock")
    for node, seconds in guarantee.grace.items():
        typer.echo(f"  {node}: and for up to {seconds} s after each power loss (its --grace)")


def facts(guarantee: Guarantee) -> dict[str, object]:
    """Return a guarantee for JSON.

    Args:
        guarantee: the guarantee.
    """
    return {
        "nodes": len(guarantee.nodes),
        "confirmed": guarantee.confirmed,
        "ended": guarantee.ended,
        "waiting": {
            node: None if guarantee.lasting else output.time(until)
            for node, until in guarantee.waiting.items()
        },
        "in_force_by": output.time(guarantee.by),
        "clocks": guarantee.clocks,
        "grace": guarantee.grace,
    }


def sentence(guarantee: Guarantee) -> str:
    """Say where a change is in force, and by when it is elsewhere.

    Args:
        guarantee: the guarantee.
    """
    total = len(guarantee.nodes)
    if not total:
        return "it concerns no node"
    there = len(guarantee.confirmed) + len(guarantee.ended)
    done = f"in force on {words.count(total, 'node')}"
    if there < total:
        done = f"in force on {there} of {words.count(total, 'node')}"
    if guarantee.ended:
        done += f" ({len(guarantee.ended)} of them silent, but their old seals have ended)"
    if guarantee.lasting and guarantee.waiting:
        return f"{done}; the others run their agent until they take this one"
    if guarantee.by is None:
        return done
    rest = "all" if not there else f"the other {len(guarantee.waiting)}"
    return f"{done}, {rest} by {output.time(guarantee.by)} at the latest"
