"""The simulations behind the paper's Fig. 3, and the same site with our deltas beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from triseal.sim import boxes, outages, study
from triseal.sim.parameters import COMPANIONS, Parameters
from triseal.sim.traffic import Progress, simulate

SERVICES_PER_NODE = tuple(range(2, 41, 2))
LIMIT = 2500.0  # bytes per second: the paper's quartiles remain below this line

PAPER = Parameters(format="certificate", reconnect="all", companions="none")
OURS = Parameters(format="delta", reconnect="due")
SERIES = {
    "certificates, no backoff": replace(PAPER, share=0),
    "certificates, backoff": PAPER,
    "deltas, no backoff": replace(OURS, share=0),
    "deltas, backoff": OURS,
}
PAPER_WITHOUT, PAPER_WITH, OURS_WITHOUT, OURS_WITH = SERIES
GROWING = ("q1", "median", "q3", "maximum", "mean", "average")


@dataclass(frozen=True)
class Point:
    """One boxplot: a site of some size in one of SERIES.

    Attributes:
        services: number of services of the whole site.
        box: bytes per second over the seconds with traffic, all runs.
        outliers: values above the upper whisker, reduced in number for drawing.
        above_limit: share of the seconds with traffic that exceed LIMIT.
        outliers_on_return: share of the seconds above the whisker in which a node came back.
        peaks_on_return: share of the seconds above half the maximum in which a node came back.
    """

    services: int
    box: boxes.Box
    outliers: list[float]
    above_limit: float
    outliers_on_return: float
    peaks_on_return: float


def _share(part: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    whole = int(np.count_nonzero(of))
    return int(np.count_nonzero(part & of)) / whole if whole else 0.0


def point(parameters: Parameters) -> Point:
    """Simulate one site and describe its traffic.

    Args:
        parameters: the site.
    """
    traffic = simulate(parameters)
    wire_bytes, box = traffic.wire_bytes, boxes.box(traffic.wire_bytes)
    returned = traffic.returns > 0
    return Point(
        services=parameters.services_per_run,
        box=box,
        outliers=boxes.outliers(wire_bytes, box),
        above_limit=_share(wire_bytes > LIMIT, wire_bytes > 0),
        outliers_on_return=_share(returned, wire_bytes > box.high),
        peaks_on_return=_share(returned, wire_bytes > box.maximum / 2),
    )


@dataclass(frozen=True)
class Together:
    """A site whose nodes renew certain seals together.

    Attributes:
        point: the traffic.
        renewals: renewals of each service in a lifetime, each with a signature.
        first_peak: signatures in the busiest second after a common start, for 1000 services.
    """

    point: Point
    renewals: float
    first_peak: float


def together(parameters: Parameters, companions: str) -> Together:
    """Simulate a site with one of COMPANIONS.

    Args:
        parameters: the site.
        companions: the seals that its nodes renew together.
    """
    site = replace(parameters, companions=companions)
    return Together(point(site), study.renewals(simulate(site)), study.peaks(site)[0])


@dataclass(frozen=True)
class Result:
    """The results of `make fig3`.

    Attributes:
        points: for each of SERIES, the points by rising number of services.
        growth: for each of SERIES and each of GROWING, a line over the number of services.
        readings: for each reading of "churn rate", the largest site with backoff.
        without_churn: the largest site with backoff, if no node ever drops out.
        companions: the largest site with our deltas and backoff, for each of COMPANIONS.
    """

    points: dict[str, list[Point]]
    growth: dict[str, dict[str, boxes.Line]]
    readings: dict[str, Point]
    without_churn: Point
    companions: dict[str, Together]

    def as_dict(self) -> dict[str, object]:
        """Return the result for JSON."""
        return {
            "series": {name: asdict(SERIES[name]) for name in SERIES},
            "points": {name: [asdict(p) for p in row] for name, row in self.points.items()},
            "growth": {
                name: {what: asdict(fit) for what, fit in row.items()}
                for name, row in self.growth.items()
            },
            "churn_readings": {name: asdict(p) for name, p in self.readings.items()},
            "without_churn": asdict(self.without_churn),
            "companions": {name: asdict(found) for name, found in self.companions.items()},
        }


def run(
    progress: Progress,
    size: Parameters = PAPER,
    services_per_node: tuple[int, ...] = SERVICES_PER_NODE,
) -> Result:
    """Simulate every point.

    Args:
        progress: called with the share that is done, 0 .. 1.
        size: gives runs, duration and seed; its other parameters don't count.
        services_per_node: number of services on each node for each point, rising.
    """

    def sized(series: Parameters, services: int) -> Parameters:
        return replace(
            series, services=services, runs=size.runs, duration=size.duration, seed=size.seed
        )

    plan = [
        (name, sized(series, services))
        for name, series in SERIES.items()
        for services in services_per_node
    ]
    points: dict[str, list[Point]] = {name: [] for name in SERIES}
    for done, (name, parameters) in enumerate(plan):
        points[name].append(point(parameters))
        progress((done + 1) / len(plan))
    largest = sized(PAPER, services_per_node[-1])
    return Result(
        points,
        {name: growth(row) for name, row in points.items()},
        {
            name: point(replace(largest, churn=rate(PAPER.churn, largest)))
            for name, rate in outages.READINGS.items()
        },
        point(replace(largest, churn=0.0)),
        {name: together(sized(OURS, services_per_node[-1]), name) for name in COMPANIONS},
    )


def growth(row: list[Point]) -> dict[str, boxes.Line]:
    """Fit lines over the number of services.

    Args:
        row: the points of one series.

    Returns: the line for each of GROWING.
    """
    services = [float(p.services) for p in row]
    return {what: boxes.line(services, [getattr(p.box, what) for p in row]) for what in GROWING}
