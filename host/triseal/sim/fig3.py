"""`python -m triseal.sim.fig3`: the paper's Fig. 3 by our code, its statements checked."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from triseal.sim import errors, extra, results


def make(folder: Path = results.BUILD) -> dict[str, object]:
    """Simulate, check, draw; writes fig3.json, fig3.png and fig3.svg into `folder`.

    Args:
        folder: made if need be.

    Returns: what the JSON file holds.
    """
    from triseal.sim import figure3, paper, statements

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=1.0)
        result = paper.run(lambda done: bar.update(task, completed=done))
    checked = statements.check(result)
    content = result.as_dict() | {"statements": [asdict(s) for s in checked]}
    results.write_json(folder / "fig3.json", content)
    figure3.draw(result, folder / "fig3.png")
    for statement in checked:
        print(f"{statement.verdict.upper():<13} {statement.sentence}")
        print(f"{'':<13} {statement.figure}")
    return content


def main() -> int:
    """Run as a command; returns its exit status."""
    try:
        extra.require()
    except errors.MissingExtra as error:
        print(f"{error.code}: {error}; {error.advice}", file=sys.stderr)
        return 1
    make()
    return 0


if __name__ == "__main__":
    sys.exit(main())
