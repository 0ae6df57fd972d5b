"""The common style of all pictures, made for print: one width and one set of colours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triseal import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2  # inches: a page with margins
DARK, LIGHT, ACCENT, FAINT = "#1b3a57", "#9ec3df", "#c8502d", "#8a8a8a"
COLOURS = ("#1b3a57", "#c8502d", "#79b58a", "#6f4a94", "#8a8a8a")
MARKERS = ("o", "s", "^", "D", "v")
"""For several series: colours for the screen, markers for a print in grey."""
GREY_TEXT = "#5c5c5c"
FIRST: dict[str, Any] = {"color": ACCENT, "linewidth": 1.2}
SECOND: dict[str, Any] = {"color": DARK, "linewidth": 1.2, "linestyle": (0, (4, 1.5))}
"""For two lines that cross: they differ in their strokes too."""
_STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "svg.hashsalt": "triseal",  # equal figures give equal files
    "svg.fonttype": "none",
}


@contextmanager
def style() -> Iterator[None]:
    """Use the common style while one picture is drawn."""
    import matplotlib as mpl  # slow to load, and most of what imports this module draws nothing

    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, Any]:
    """Make a figure of the common width with a grid of axes, without pyplot: no window, no state.

    Args:
        rows: rows of the grid.
        columns: columns of the grid.
        height: height of the figure, inches.
        options: options of `Figure.subplots`.

    Returns: the figure and its axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG (200 dpi) and as SVG; neither file is ever incomplete.

    Args:
        figure: the figure.
        path: file to write; its suffix is replaced by .png and .svg.

    Returns: the files that were written.
    """
    written = []
    for kind in ("png", "svg"):
        target = path.with_suffix("." + kind)
        picture = BytesIO()
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(picture, format=kind, dpi=200, metadata=metadata)
        files.write(target, picture.getvalue())
        written.append(target)
    return written


def thousands(axis: Axes, which: str = "both") -> None:
    """Label logarithmic axes with plain numbers: 0.1, 1, 10 instead of powers.

    Args:
        axis: the axes.
        which: "x", "y" or "both".
    """
    for name in ("x", "y") if which == "both" else (which,):
        getattr(axis, name + "axis").set_major_formatter(lambda v, _: f"{v:g}")
