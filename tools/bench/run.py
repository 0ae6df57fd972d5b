"""Run benches and keep their figures: `python -m bench.run [NAME ...]`.

Every module of this package is a bench, with a function `measure()`; names select some. Figures are
printed as they come and written to build/bench.json, each as
`"name": {"value": 1.2, "unit": "ms", "baseline": 1.0, "ratio": 1.2}`. A run of some benches leaves
the figures of the others unchanged. If a bench fails, it is reported, the others still run, and
the exit status is 1.
"""

import importlib
import json
import math
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import bench
from bench import Figure

OUTPUT = Path("build") / "bench.json"

Measure = Callable[[], Iterable[Figure]]
Table = dict[str, dict[str, float | str | None]]


def names() -> list[str]:
    """Return the names of all benches, sorted."""
    found = (module.name for module in pkgutil.iter_modules(bench.__path__))
    return sorted(name for name in found if name != "run" and not name.startswith("_"))


def load(name: str) -> Measure:
    """Import the bench `name` and return its `measure`.

    Raises:
        ImportError, AttributeError: it can't be imported, or has no `measure`.
    """
    measure: Measure = importlib.import_module(f"bench.{name}").measure
    return measure


def entry(figure: Figure) -> dict[str, float | str | None]:
    """Return `figure` as it stands in the file.

    Raises:
        ValueError: the figure is no finite number, so something was not measured.
    """
    numbers = [figure.value] if figure.ratio is None else [figure.value, figure.ratio]
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{figure.name} is not finite: {figure!r}")
    row = figure._asdict()
    del row["name"]
    return {**row, "ratio": figure.ratio}


def collect(name: str, table: Table) -> bool:
    """Run one bench, print its figures and add them to a table.

    Args:
        name: of the bench.
        table: the figures so far.

    Returns:
        Whether it ran to its end; if not, the reason is on stderr.
    """
    try:
        for figure in load(name)():
            table[figure.name] = entry(figure)
            print(figure, flush=True)
    except Exception:
        print(f"bench {name} failed:", file=sys.stderr)
        traceback.print_exc()
        return False
    return True


def save(table: Table, path: Path) -> None:
    """Write the figures in `table` to `path`, sorted by name; the file is complete at
    every moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(path)


def previous(path: Path) -> Table:
    """Return the figures of an earlier run in `path`; none if there was no such run."""
    if not path.exists():
        return {}
    table: Table = json.loads(path.read_text(encoding="utf-8"))
    return table


def main(arguments: list[str]) -> int:
    """Run as a command; the docstring of the module explains the `arguments`."""
    unknown = sorted(set(arguments) - set(names()))
    if unknown:
        print(f"no bench {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    table = previous(OUTPUT) if arguments else {}
    done = [collect(name, table) for name in arguments or names()]
    save(table, OUTPUT)
    return 0 if done and all(done) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
