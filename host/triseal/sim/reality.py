"""A comparison of a live run with its simulation: a picture, and the distance as a number."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from triseal import files
from triseal.sim import boxes, plots
from triseal.sim.errors import BadTraffic, ParameterError
from triseal.sim.parameters import Parameters
from triseal.sim.traffic import simulate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BYTES = 64 << 20
_LONGEST_LIVE = 1_000_000  # seconds; a longer run means that `start` is wrong
_RUNS = 50  # simulated runs for one live run, to show the effect of chance alone

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Live:
    """The traffic of a live run.

    Attributes:
        wire_bytes: bytes of each second from the first to the last of the run, shape (duration,).
        parameters: parameters of the simulation to compare with.
        renewals: number of renewals of the live run; None if the file does not say it.
    """

    wire_bytes: NDArray[np.int64]
    parameters: Parameters
    renewals: int | None = None


@dataclass(frozen=True)
class Distance:
    """The distance between two distributions of bytes per second.

    Attributes:
        wasserstein: first Wasserstein distance, bytes per second: the area between the distribution
            functions.
        relative: the same, divided by the live run's mean.
        kolmogorov_smirnov: largest difference of the distribution functions, 0 .. 1.
    """

    wasserstein: float
    relative: float
    kolmogorov_smirnov: float


@dataclass(frozen=True)
class Comparison:
    """The comparison of a live run with its simulation.

    Attributes:
        all_seconds: distance over every second, quiet ones included.
        active_seconds: distance over the seconds with traffic, which the paper's boxplots count.
        by_chance: 95th percentile of the relative distances of single simulated runs from all of
            them: the effect of chance alone.
        live, simulated: the boxes.
        live_total, simulated_total: bytes of a run; of the simulation the mean.
        live_renewals, simulated_renewals: renewals of a run, in the same way; None if not counted.
    """

    all_seconds: Distance
    active_seconds: Distance
    by_chance: float
    live: boxes.Box
    simulated: boxes.Box
    live_total: int
    simulated_total: float
    live_renewals: int | None
    simulated_renewals: float

    def as_dict(self) -> dict[str, object]:
        """Return the comparison for JSON."""
        return asdict(self)


def load(path: Path) -> Live:
    """Read the traffic of a live run: {"seconds": [...], "bytes": [...], "parameters": {...}}.

    `seconds` are whole numbers; a second that is missing had no traffic. `parameters` are names of
    Parameters; missing ones have their defaults. Other names are ignored, except these: `start` is
    the second at which all services had new seals, where the simulation begins (default 0), and
    everything before it is left out; `duration` counts quiet seconds at the end too; `renewals` is
    the number of renewals of the live run.

    Args:
        path: the JSON file.

    Raises:
        BadTraffic: the file does not have this form, or a parameter is out of its range.
        Failure, OSError: the file can't be read.
    """
    try:
        content = files.read_json(path, _MOST_BYTES)
        seconds = np.asarray(content["seconds"], dtype=np.int64)
        wire_bytes = np.asarray(content["bytes"], dtype=np.int64)
        told = dict(content["parameters"])
        start, duration = int(told.get("start", 0)), int(told.get("duration", 0))
        renewals = int(told["renewals"]) if "renewals" in told else None
    except (ValueError, KeyError, TypeError) as error:
        raise BadTraffic(f"{path}: {error!r}") from None
    row = _row(seconds - start, wire_bytes, duration)
    duration = row.size
    known = {f.name for f in fields(Parameters)}
    given = {name: value for name, value in told.items() if name in known}
    try:
        return Live(row, Parameters(**(given | {"duration": duration, "runs": _RUNS})), renewals)
    except (ParameterError, TypeError) as error:
        raise BadTraffic(f"{path}: {error}") from None


def _row(
    seconds: NDArray[np.int64], wire_bytes: NDArray[np.int64], duration: int
) -> NDArray[np.int64]:
    """Return the bytes of every second from the start on."""
    if seconds.shape != wire_bytes.shape or seconds.ndim != 1 or (wire_bytes < 0).any():
        raise BadTraffic(
            "seconds and bytes must be lists of one length; bytes must not be negative"
        )
    inside = seconds >= 0
    if not inside.any():
        raise BadTraffic("the live run has no traffic after its start")
    duration = max(duration, int(seconds.max()) + 1)
    if duration > _LONGEST_LIVE:
        raise BadTraffic(f"the run lasts {duration} seconds: give parameters.start")
    row = np.zeros(duration, dtype=np.int64)
    np.add.at(row, seconds[inside], wire_bytes[inside])
    return row


def distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> Distance:
    """Compute the distance of two samples of bytes per second.

    Args:
        first: a sample of any shape, not empty; `relative` refers to its mean.
        second: another sample of any shape, not empty.
    """
    a, b = np.sort(first, axis=None), np.sort(second, axis=None)
    grid = np.union1d(a, b)
    below_a = np.searchsorted(a, grid, side="right") / a.size
    below_b = np.searchsorted(b, grid, side="right") / b.size
    apart = np.abs(below_a - below_b)
    area = float((apart[:-1] * np.diff(grid)).sum())
    mean = float(a.mean())
    return Distance(area, area / mean if mean else 0.0, float(apart.max()))


def compare(live: Live) -> tuple[Comparison, NDArray[np.int64]]:
    """Simulate with the parameters of a live run, and compare.

    Args:
        live: the live run.

    Returns: the comparison, and the simulated bytes per second, shape (runs, duration).

    Raises:
        BadTraffic: the live run or its simulation had no traffic.
    """
    traffic = simulate(live.parameters)
    simulated = traffic.wire_bytes
    if not live.wire_bytes.any() or not simulated.any():
        raise BadTraffic("the live run or its simulation has no traffic to compare")
    alone = [distance(run, simulated).relative for run in simulated]
    comparison = Comparison(
        distance(live.wire_bytes, simulated),
        distance(live.wire_bytes[live.wire_bytes > 0], simulated[simulated > 0]),
        float(np.percentile(alone, 95)),
        boxes.box(live.wire_bytes),
        boxes.box(simulated),
        int(live.wire_bytes.sum()),
        float(simulated.sum() / live.parameters.runs),
        live.renewals,
        traffic.renewals / live.parameters.runs,
    )
    return comparison, simulated


def _share_up_to(values: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Compute a distribution function for drawing, reduced to 2000 steps."""
    ordered = np.sort(values, axis=None).astype(float)
    share = np.arange(1, ordered.size + 1) / ordered.size
    keep = np.unique(np.linspace(0, ordered.size - 1, 2000).astype(int))
    return ordered[keep], share[keep]


def draw(
    live: Live, simulated: NDArray[np.int64], comparison: Comparison, path: Path
) -> list[Path]:
    """Draw both in one picture: traffic per second, its sum, and its distribution over seconds.

    Args:
        live: the live run.
        simulated: simulated bytes per second, shape (runs, duration).
        comparison: the comparison of the two.
        path: file to write, .png; an .svg is written beside it.

    Returns: the files that were written.
    """
    from matplotlib.figure import Figure

    with plots.style():
        figure = Figure(figsize=(plots.WIDTH, 5.2), layout="constrained")
        axes = figure.subplot_mosaic("aa;bc")
        _draw_seconds(axes["a"], live, simulated)
        _draw_sums(axes["b"], live, simulated)
        _draw_distributions(axes["c"], live, simulated, comparison)
        return plots.save(figure, path)


def _band(axes: Axes, runs: Floats) -> None:
    """Draw the range of the middle 95 % of the simulated runs, KB; shape (runs, seconds)."""
    low, high = np.percentile(runs, (2.5, 97.5), axis=0)
    seconds = np.arange(runs.shape[1])
    axes.fill_between(
        seconds,
        low,
        high,
        color=plots.LIGHT,
        linewidth=0,
        step="post",
        label="95 % of simulated runs",
    )


def _draw_seconds(axes: Axes, live: Live, simulated: NDArray[np.int64]) -> None:
    p, seconds = live.parameters, np.arange(live.wire_bytes.size)
    _band(axes, simulated / 1000)
    mean = simulated.mean(axis=0) / 1000
    axes.step(seconds, mean, where="post", label="their mean", **plots.SECOND)
    axes.step(seconds, live.wire_bytes / 1000, where="post", label="live", **plots.FIRST)
    axes.set(xlabel="seconds after all seals were new", ylabel="KB in each second")
    axes.set(xlim=(0, live.wire_bytes.size), ylim=(0, 1.2 * axes.get_ylim()[1]))
    away = f", churn {p.churn:g}/s" if p.churn else ""
    axes.set_title(
        f"{p.nodes} nodes with {p.services} services each, seals of {p.lifetime} s{away}"
    )
    axes.legend(loc="upper left", ncols=3)


def _draw_sums(axes: Axes, live: Live, simulated: NDArray[np.int64]) -> None:
    seconds = np.arange(live.wire_bytes.size)
    _band(axes, np.cumsum(simulated, axis=1) / 1000)
    axes.plot(seconds, np.cumsum(live.wire_bytes) / 1000, label="live", **plots.FIRST)
    axes.set(xlabel="seconds", ylabel="KB so far", title="Summed up", ylim=(0, None))
    axes.legend(loc="upper left")


def _draw_distributions(
    axes: Axes, live: Live, simulated: NDArray[np.int64], comparison: Comparison
) -> None:
    axes.step(*_share_up_to(simulated), where="post", label="simulated", **plots.SECOND)
    axes.step(*_share_up_to(live.wire_bytes), where="post", label="live", **plots.FIRST)
    axes.set(xlabel="bytes in a second", ylabel="share of seconds up to it", ylim=(0, 1.02))
    axes.set_title("Distribution over seconds")
    axes.legend(
        loc="lower right",
        title=f"distance {comparison.all_seconds.relative:.1%} of the mean\n"
        f"(95 % of simulated runs: up to {comparison.by_chance:.1%})",
        title_fontsize=7.5,
        alignment="right",
    )
