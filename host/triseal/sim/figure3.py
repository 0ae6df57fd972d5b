"""The picture of `make fig3`: four panels of boxplots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from triseal.sim import plots
from triseal.sim.paper import LIMIT, SERIES, Point, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLES = ("whole certificates, as in the paper", "our deltas, with TLS and both directions")
_ROWS = ("without backoff", "with backoff")


def _draw(axes: Axes, row: list[Point]) -> None:
    shapes = [
        {
            "q1": p.box.q1 / 1000,
            "med": p.box.median / 1000,
            "q3": p.box.q3 / 1000,
            "whislo": p.box.low / 1000,
            "whishi": p.box.high / 1000,
            "fliers": [value / 1000 for value in p.outliers],
        }
        for p in row
    ]
    step = row[1].services - row[0].services if len(row) > 1 else row[0].services
    axes.bxp(
        shapes,
        positions=[p.services for p in row],
        widths=0.6 * step,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": plots.LIGHT, "edgecolor": plots.DARK, "linewidth": 0.7},
        medianprops={"color": plots.ACCENT, "linewidth": 1.2},
        whiskerprops={"color": plots.DARK, "linewidth": 0.7},
        capprops={"color": plots.DARK, "linewidth": 0.7},
        flierprops={
            "marker": ".",
            "markersize": 2,
            "markeredgewidth": 0,
            "markerfacecolor": plots.FAINT,
        },
    )
    axes.axhline(LIMIT / 1000, color=plots.ACCENT, linewidth=0.8, linestyle=(0, (4, 3)))


def _label(axes: Axes, result: Result, name: str) -> None:
    fits = result.growth[name]
    axes.text(
        0.985,
        0.96 if fits["q3"].slope < 1 else 0.04,  # the empty part of this panel
        f"per service: peaks +{fits['maximum'].slope:.0f} B/s, "
        f"upper quartile +{fits['q3'].slope:.{0 if fits['q3'].slope > 10 else 2}f} B/s",
        transform=axes.transAxes,
        ha="right",
        va="top" if fits["q3"].slope < 1 else "bottom",
        fontsize=7.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
    )


def draw(result: Result, path: Path) -> list[Path]:
    """Draw Fig. 3.

    Args:
        result: the simulated points.
        path: file to write, .png; an .svg is written beside it.

    Returns: the files that were written.
    """
    with plots.style():
        figure, axes = plots.grid(2, 2, 5.6, sharex=True, sharey=True)
        for index, name in enumerate(SERIES):
            panel = axes[index % 2][index // 2]
            _draw(panel, result.points[name])
            _label(panel, result, name)
            if index % 2 == 0:
                panel.set_title(_TITLES[index // 2])
            else:
                panel.set_xlabel("services on 15 nodes")
            if index < 2:
                panel.set_ylabel(f"{_ROWS[index]}\ntraffic in KB/s")
        axes[0][0].set_yscale("log")
        axes[0][0].set_ylim(bottom=0.25)
        plots.thousands(axes[0][0], "y")
        axes[0][0].text(
            axes[0][0].get_xlim()[1] - 20,
            LIMIT / 1000 * 0.93,
            "2.5 KB/s: the paper's bound for the boxes",
            color=plots.ACCENT,
            fontsize=7,
            ha="right",
            va="top",
        )
        figure.suptitle(
            "Traffic in the seconds with renewals: quartiles, whiskers at 1.5 interquartile "
            "ranges, outliers",
            fontsize=9,
        )
        return plots.save(figure, path)
