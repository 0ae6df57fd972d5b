"""The picture of the study: four panels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from triseal.sim import plots
from triseal.sim.study import LIFETIMES, SHARES, SITES, SPREADS, TARGET, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = {"certificate": "RSA certificates", "seal": "whole seals", "delta": "deltas"}

_OURS: dict[str, Any] = {"color": plots.DARK, "markersize": 3.5, "linewidth": 1.2}
_ABOVE = ("triseal 0 %", "triseal 25 %")  # labels that stand above the line, where there is room
_LEFT = ("step-ca", "spire", "spire-polled")  # labels that stand to the left of their point


def _series(index: int) -> dict[str, Any]:
    """Return the style of one of several lines."""
    return {
        "color": plots.COLOURS[index],
        "marker": plots.MARKERS[index],
        "markersize": 3.5,
        "linewidth": 1.2,
    }


def _lifetimes(axes: Axes, study: Study) -> None:
    for index, (kind, name) in enumerate(_NAMES.items()):
        wire_bytes = [row.wire_bytes[kind] for row in study.lifetimes]
        axes.plot(LIFETIMES, wire_bytes, label=name, **_series(index))
    axes.set(xscale="log", yscale="log", xlabel="lifetime = longest change, seconds")
    axes.set_ylabel("bytes/s of the site")
    axes.set_title("A fast change costs traffic and robustness")
    axes.legend(loc="lower left")
    lost = axes.twinx()
    lost.plot(LIFETIMES, [100 * row.stopped for row in study.lifetimes], "--", color=plots.FAINT)
    lost.set(yscale="log", ylim=(1e-4, 30))
    lost.set_ylabel("service time lost, % (dashed)", color=plots.GREY_TEXT)
    lost.grid(visible=False)
    plots.thousands(lost, "y")


def _shares(axes: Axes, study: Study) -> None:
    percent = [share / 10 for share in SHARES]
    for churn, stopped in study.stopped.items():
        lost = [100 * share for share in stopped]
        axes.plot(percent, lost, color=plots.DARK, linewidth=1.2)
        axes.text(102, lost[-1], f"{churn * 100:g} %", va="center", fontsize=7)
        best = study.best[churn].share
        if best is not None:
            axes.plot(best / 10, lost[SHARES.index(best)], "o", color=plots.ACCENT, markersize=5)
    axes.text(102, 100 * max(stopped) * 1.15, "churn a second", va="top", ha="center", fontsize=7)
    axes.axhline(100 * TARGET, color=plots.ACCENT, linestyle="--", linewidth=0.8)
    label = f"{100 * TARGET:g} % may be lost"
    axes.text(100, 108 * TARGET, label, color=plots.ACCENT, fontsize=7, ha="right")
    axes.set(
        yscale="log",
        xlabel="backoff share, % of the lifetime",
        xlim=(0, 124),
        xticks=range(0, 101, 20),
    )
    axes.set_ylabel("service time lost, %")
    plots.thousands(axes, "y")
    axes.set_title("The smallest share that is enough, by churn")


def _rules(axes: Axes, study: Study) -> None:
    floor = 1e-4  # where a rule that loses nothing is drawn
    points = {o.rule: (o.renewals, 100 * max(floor, o.expiring)) for o in study.rules}
    ours = [rule for rule in points if rule.startswith("triseal")]
    axes.plot(*zip(*(points[rule] for rule in ours), strict=True), "o-", **_OURS)
    for rule, at in points.items():
        mine = rule in ours
        if not mine:
            axes.plot(*at, "s", color=plots.ACCENT, markersize=3)
        offset = (
            (0, 5 if rule in _ABOVE else -11) if mine else (-6, -3) if rule in _LEFT else (6, -3)
        )
        axes.annotate(
            rule.removeprefix("triseal ") + (" (none)" if at[1] == 100 * floor else ""),
            at,
            xytext=offset,
            textcoords="offset points",
            ha="center" if mine else "right" if rule in _LEFT else "left",
            fontsize=7,
            color=plots.DARK if mine else plots.ACCENT,
        )
    axes.text(1.45, 13, "our rule, by its share", color=plots.DARK, fontsize=7.5)
    axes.set(yscale="log", xlabel="renewals per lifetime (the price)", xlim=(0.85, 2.3))
    axes.set(ylim=(100 * floor / 1.5, 50), ylabel="seals that expire in an outage, %")
    plots.thousands(axes, "y")
    axes.set_title("A margin before expiry beats a wider spread")


def _recoveries(axes: Axes, study: Study) -> None:
    for index, services in reversed(list(enumerate(SITES))):
        row = study.recoveries[services]
        axes.plot(
            SPREADS,
            [r.peak_signatures / study.capacity.signatures for r in row],
            label=f"{services:,} services".replace(",", " "),
            **_series(index),
        )
    axes.axhline(1, color=plots.FAINT, linestyle="--", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="connects spread over, seconds")
    axes.text(SPREADS[0], 1.15, "one core", color=plots.GREY_TEXT, fontsize=7)
    axes.set_ylabel("cores that sign, at the peak")
    plots.thousands(axes)
    axes.set_title("After a power outage of everything")
    axes.legend(loc="upper right")


def draw(study: Study, path: Path) -> list[Path]:
    """Draw the study.

    Args:
        study: the study.
        path: file to write, .png; an .svg is written beside it.

    Returns: the files that were written.
    """
    with plots.style():
        figure, axes = plots.grid(2, 2, 5.8)
        _lifetimes(axes[0][0], study)
        _shares(axes[0][1], study)
        _rules(axes[1][0], study)
        _recoveries(axes[1][1], study)
        return plots.save(figure, path)
