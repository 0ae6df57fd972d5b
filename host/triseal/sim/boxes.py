"""Figures that describe traffic: boxplots as in the paper's Fig. 3, percentiles, straight lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triseal.sim.traffic import Traffic

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9, 100.0)
_REACH = 1.5  # length of Tukey's whiskers in interquartile ranges, Matplotlib's default


@dataclass(frozen=True)
class Box:
    """A boxplot of bytes per second over the seconds with traffic, and some figures beside it.

    Attributes:
        seconds: number of seconds with traffic in all runs.
        q1, median, q3: quartiles, bytes per second.
        low, high: ends of the whiskers, the last values within 1.5 interquartile ranges.
        maximum: bytes in the highest second.
        mean: bytes per second, over the seconds with traffic.
        average: bytes per second over all seconds: the load of a link in the long run.
        above: number of seconds above the upper whisker.
    """

    seconds: int
    q1: float
    median: float
    q3: float
    low: float
    high: float
    maximum: float
    mean: float
    average: float
    above: int


def box(wire_bytes: NDArray[np.int64]) -> Box:
    """Compute the boxplot of a traffic. It is all zero if there is no traffic.

    Args:
        wire_bytes: bytes per second, of any shape.
    """
    active = wire_bytes[wire_bytes > 0]
    if active.size == 0:
        return Box(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
    q1, median, q3 = (float(q) for q in np.percentile(active, (25, 50, 75)))
    reach = _REACH * (q3 - q1)
    return Box(
        seconds=int(active.size),
        q1=q1,
        median=median,
        q3=q3,
        low=float(active[active >= q1 - reach].min()),
        high=float(active[active <= q3 + reach].max()),
        maximum=float(active.max()),
        mean=float(active.mean()),
        average=float(active.sum() / wire_bytes.size),
        above=int(np.count_nonzero(active > q3 + reach)),
    )


def outliers(wire_bytes: NDArray[np.int64], of: Box, most: int = 200) -> list[float]:
    """List the distinct values above the upper whisker, for drawing.

    Args:
        wire_bytes: bytes per second, of any shape.
        of: the box of these values.
        most: number of values to return at most; the highest one is always among them.
    """
    values = np.unique(wire_bytes[wire_bytes > of.high])
    if values.size > most:
        values = values[np.linspace(0, values.size - 1, most).round().astype(int)]
    return [float(value) for value in values]


def percentiles(values: NDArray[np.int64]) -> dict[str, float]:
    """Compute PERCENTILES over all seconds, quiet ones included.

    Args:
        values: one value for each second, of any shape.

    Returns: the values by name, such as "p99.9".
    """
    quantiles = np.percentile(values, PERCENTILES)
    return {f"p{q:g}": float(v) for q, v in zip(PERCENTILES, quantiles, strict=True)}


@dataclass(frozen=True)
class Line:
    """A least-squares line: y = intercept + slope * x, and the share of variance it explains."""

    slope: float
    intercept: float
    r_squared: float


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Fit a least-squares line.

    Args:
        x: first coordinates of two points or more.
        y: their second coordinates.
    """
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    slope, intercept = (float(c) for c in np.polyfit(xs, ys, 1))
    rest = float(np.square(ys - (intercept + slope * xs)).sum())
    total = float(np.square(ys - ys.mean()).sum())
    return Line(slope, intercept, 1.0 - rest / total if total else 1.0)


def summary(traffic: Traffic) -> dict[str, object]:
    """Summarise one simulation for JSON: totals, percentiles, peaks and the box.

    Args:
        traffic: the simulated traffic.
    """
    parameters = traffic.parameters
    served = parameters.runs * parameters.duration * parameters.services_per_run
    return {
        "parameters": parameters.as_dict(),
        "bytes": int(traffic.wire_bytes.sum()),
        "renewals": traffic.renewals,
        "renewals_on_return": traffic.on_return,
        "expired_before_renewal": traffic.expired,
        "stopped_share": traffic.stopped / served,
        "bytes_per_second": percentiles(traffic.wire_bytes),
        "signatures_per_second": percentiles(traffic.signatures),
        "box": box(traffic.wire_bytes).__dict__,
    }
