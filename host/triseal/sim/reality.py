"""A live run beside the simulation with the same parameters: overlay, and distance as a number."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triseal import files
from triseal.sim import boxes, plots
from triseal.sim.errors import BadTraffic, ParameterError
from triseal.sim.parameters import Parameters
from triseal.sim.traffic import simulate

_MOST_OCTETS = 64 << 20
_LONGEST_LIVE = 1_000_000  # seconds: more is a wrong origin, not a run
_RUNS = 50  # simulated for one live run, to show how far chance alone reaches

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Live:
    """Traffic of a live run.

    Attributes:
        octets: for each second from the first to the last of the run, shape (duration,).
        parameters: of the simulation that it is held against.
    """

    octets: NDArray[np.int64]
    parameters: Parameters


@dataclass(frozen=True)
class Distance:
    """How far two distributions of octets per second are from each other.

    Attributes:
        wasserstein: area between their distribution functions (the first Wasserstein distance),
            octets per second: how far the one must be moved to become the other.
        relative: the same, divided by the live run's mean.
        kolmogorov_smirnov: largest difference of the distribution functions, 0 .. 1.
    """

    wasserstein: float
    relative: float
    kolmogorov_smirnov: float


@dataclass(frozen=True)
class Comparison:
    """The live run against the simulation.

    Attributes:
        all_seconds: distance over every second, quiet ones included.
        active_seconds: distance over the seconds with traffic, as the paper's boxplots count.
        by_chance: the all-seconds distances of single simulated runs from all of them: the 95th
            percentile of what chance alone does, relative as above.
        live, simulated: the boxes.
        live_total, simulated_total: octets of a run; of the simulation the mean.
    """

    all_seconds: Distance
    active_seconds: Distance
    by_chance: float
    live: boxes.Box
    simulated: boxes.Box
    live_total: int
    simulated_total: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def load(path: Path) -> Live:
    """Read {"seconds": [...], "bytes": [...], "parameters": {...}}.

    `seconds` are whole; a second that isn't there had no traffic. `parameters` are names of
    Parameters; those that aren't there have its defaults, others are passed over, but for
    `start`: the second at which all services held fresh seals, where the simulation begins (0).
    What came before it is left out. `duration` counts quiet seconds at the end as well.

    Raises:
        BadTraffic: the file isn't of this form, or a parameter is out of its range.
        Failure, OSError: it can't be read.
    """
    try:
        content = json.loads(files.read(path, _MOST_OCTETS))
        seconds = np.asarray(content["seconds"], dtype=np.int64)
        octets = np.asarray(content["bytes"], dtype=np.int64)
        told = dict(content["parameters"])
        start, duration = int(told.get("start", 0)), int(told.get("duration", 0))
    except (ValueError, KeyError, TypeError) as error:
        raise BadTraffic(f"{path}: {error!r}") from None
    row = _row(seconds - start, octets, duration)
    duration = row.size
    known = {f.name for f in fields(Parameters)}
    given = {name: value for name, value in told.items() if name in known}
    try:
        return Live(row, Parameters(**(given | {"duration": duration, "runs": _RUNS})))
    except (ParameterError, TypeError) as error:
        raise BadTraffic(f"{path}: {error}") from None


def _row(seconds: NDArray[np.int64], octets: NDArray[np.int64], duration: int) -> NDArray[np.int64]:
    """Octets of every second from the start on."""
    if seconds.shape != octets.shape or seconds.ndim != 1 or (octets < 0).any():
        raise BadTraffic("seconds and bytes must be two rows of one length, none negative")
    inside = seconds >= 0
    if not inside.any():
        raise BadTraffic("the live run has no traffic after its start")
    duration = max(duration, int(seconds.max()) + 1)
    if duration > _LONGEST_LIVE:
        raise BadTraffic(f"{duration} seconds after the start: give parameters.start")
    row = np.zeros(duration, dtype=np.int64)
    np.add.at(row, seconds[inside], octets[inside])
    return row


def distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> Distance:
    """Distance of two samples of octets per second, each of any shape and not empty.

    `relative` is to the mean of the first.
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
    """Simulate with the live run's parameters and measure.

    Returns: the comparison, and simulated octets, shape (runs, duration).

    Raises:
        BadTraffic: one of the two had no traffic at all.
    """
    simulated = simulate(live.parameters).octets
    if not live.octets.any() or not simulated.any():
        raise BadTraffic("the live run or its simulation has no traffic to compare")
    alone = [distance(run, simulated).relative for run in simulated]
    comparison = Comparison(
        distance(live.octets, simulated),
        distance(live.octets[live.octets > 0], simulated[simulated > 0]),
        float(np.percentile(alone, 95)),
        boxes.box(live.octets),
        boxes.box(simulated),
        int(live.octets.sum()),
        float(simulated.sum() / live.parameters.runs),
    )
    return comparison, simulated


def _share_up_to(values: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """A distribution function to draw, thinned to 2000 steps."""
    ordered = np.sort(values, axis=None).astype(float)
    share = np.arange(1, ordered.size + 1) / ordered.size
    keep = np.unique(np.linspace(0, ordered.size - 1, 2000).astype(int))
    return ordered[keep], share[keep]


def draw(
    live: Live, simulated: NDArray[np.int64], comparison: Comparison, path: Path
) -> list[Path]:
    """Both in one picture: cumulated traffic over time, and the distributions over seconds."""
    with plots.style():
        figure, (left, right) = plots.grid(1, 2, 3.0)
        sums = np.cumsum(simulated, axis=1) / 1000
        step = max(1, live.octets.size // 2000)
        time = np.arange(live.octets.size)[::step]
        low, high = np.percentile(sums[:, ::step], (2.5, 97.5), axis=0)
        left.fill_between(
            time, low, high, color=plots.LIGHT, linewidth=0, label="95 % of simulated runs"
        )
        left.plot(time, np.cumsum(live.octets)[::step] / 1000, color=plots.ACCENT, label="live")
        left.set(xlabel="seconds", ylabel="KB so far", title="Traffic over time")
        left.legend(loc="upper left")
        right.step(*_share_up_to(simulated), where="post", color=plots.DARK, label="simulated")
        right.step(*_share_up_to(live.octets), where="post", color=plots.ACCENT, label="live")
        right.set(xlabel="octets/s", ylabel="share of seconds up to it", title="Distribution")
        right.set_xscale("symlog", linthresh=100)
        plots.thousands(right, "x")
        right.legend(loc="lower right")
        right.text(
            0.97,
            0.42,
            f"Wasserstein {comparison.all_seconds.relative:.1%} of the mean\n"
            f"(chance alone: {comparison.by_chance:.1%})",
            transform=right.transAxes,
            ha="right",
            fontsize=7.5,
        )
        return plots.save(figure, path)
