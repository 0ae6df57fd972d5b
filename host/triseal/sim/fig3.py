"""`python -m triseal.sim.fig3`: the paper's Fig. 3 by our code, its statements checked."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from triseal.sim import results

if TYPE_CHECKING:  # needs NumPy, which may be missing
    from triseal.sim.statements import Statement


def make(folder: Path = results.BUILD) -> list[Statement]:
    """Simulate, check, draw; writes fig3.json, fig3.png and fig3.svg into `folder`.

    Returns: the paper's statements and what became of them.
    """
    from triseal.sim import figure3, paper, statements

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("simulating", total=1.0)
        result = paper.run(lambda done: bar.update(task, completed=done))
    checked = statements.check(result)
    content = result.as_dict() | {"statements": [asdict(s) for s in checked]}
    results.write_json(folder / "fig3.json", content)
    figure3.draw(result, folder / "fig3.png")
    return checked


def tell(statements: list[Statement]) -> None:
    """Print verdict, sentence and figure of each."""
    for statement in statements:
        print(f"{statement.verdict.upper():<13} {statement.sentence}")
        print(f"{'':<13} {statement.figure}")


def main() -> int:
    """`triseal sim fig3`; returns its exit status."""
    from triseal.cli.main import main as triseal

    return triseal(["sim", "fig3"])


if __name__ == "__main__":
    sys.exit(main())
