"""The paper's Fig. 3, made by this code, with a check of the paper's statements about it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from triseal.sim import results

if TYPE_CHECKING:  # needs NumPy, which may be missing
    from triseal.sim.statements import Statement


def make(folder: Path = results.BUILD) -> list[Statement]:
    """Simulate, check and draw. Writes fig3.json, fig3.png and fig3.svg.

    Args:
        folder: where to write the files.

    Returns: the paper's statements with their verdicts.
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
    """Print verdict, sentence and figures of each statement.

    Args:
        statements: the checked statements.
    """
    for statement in statements:
        print(f"{statement.verdict.upper():<13} {statement.sentence}")
        print(f"{'':<13} {statement.figure}")
