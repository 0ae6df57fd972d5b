"""The printing of guarantees, for the commands of `triseal site` that change something."""

from __future__ import annotations

import typer

from triseal.cli import output
from triseal.site.rules.guarantee import Guarantee


def show(found: Guarantee, *, as_json: bool) -> None:
    """Print where a change is in force, and when it will be elsewhere.

    Args:
        found: the guarantee.
        as_json: whether to print JSON.
    """
    total = len(found.nodes)
    facts: dict[str, object] = {
        "nodes": total,
        "confirmed": found.confirmed,
        "ended": found.ended,
        "waiting": {node: output.time(until) for node, until in found.waiting.items()},
        "in_force_by": output.time(found.by),
        "clocks": found.clocks,
        "grace": found.grace,
    }
    if as_json:
        output.facts(facts, as_json=True)
        return
    typer.echo(_sentence(found, total))
    for node, until in found.waiting.items():
        late = found.clocks.get(node, 0)
        typer.echo(f"  {node}: {output.time(until)}, including {late} s for its clock")
    for node, seconds in found.grace.items():
        typer.echo(f"  {node}: and for up to {seconds} s after each power loss (its --grace)")


def _sentence(found: Guarantee, total: int) -> str:
    if not total:
        return "it concerns no node"
    there = len(found.confirmed) + len(found.ended)
    done = f"in force on {_count(total)}"
    if there < total:
        done = f"in force on {there} of {_count(total)}"
    if found.ended:
        done += f" ({len(found.ended)} of them silent, but their old seals have ended)"
    if found.by is None:
        return done
    rest = "all" if not there else f"the other {len(found.waiting)}"
    return f"{done}, {rest} by {output.time(found.by)} at the latest"


def _count(total: int) -> str:
    return f"{total} node" if total == 1 else f"{total} nodes"
