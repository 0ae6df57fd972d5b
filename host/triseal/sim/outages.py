"""Churn: when nodes are offline, and the paper's "churn rate of 0,001%" in its possible readings.

Times of all nodes lie on one axis: node n owns `n * span` up to `(n + 1) * span`, so that one
binary search serves them all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]


class Outages:
    """Intervals in which nodes are offline: from `begin` up to, not including, `end`.

    Args:
        node: whose interval, ascending; shape (intervals,).
        begin, end: seconds since the start, ascending for each node, disjoint; same shape.
        span: seconds that each node gets on the common axis; more than any time asked for.
    """

    def __init__(self, node: Integers, begin: Integers, end: Integers, span: int) -> None:
        self.node, self.begin, self.end, self.span = node, begin, end, span
        base = node * span
        self._begin = base + begin
        self._before = np.concatenate(([-1], base + end))
        self._after = np.concatenate((base + end, [np.iinfo(np.int64).max]))

    def online_from(self, at: Integers) -> Integers:
        """The first second from `at` on, on the common axis, at which its node is online."""
        latest_end = self._before[np.searchsorted(self._begin, at, side="right")]
        return np.maximum(at, latest_end)

    def reconnect_after(self, at: Integers) -> Integers:
        """The next return of the node after `at`; some later node's time if it has none."""
        return self._after[np.searchsorted(self._after, at, side="right")]


def draw(parameters: Parameters, random: np.random.Generator) -> Outages:
    """Outages of all nodes of all runs, run after run.

    A node that is online drops out in each second with probability `churn`; so the time to the
    next one is geometric, and a second online at least lies between two outages.
    """
    total = parameters.runs * parameters.nodes
    node = np.arange(total, dtype=np.int64)
    now = np.zeros(total, dtype=np.int64)
    parts: list[tuple[Integers, Integers, Integers]] = []
    while node.size and parameters.churn > 0:
        begin = now + random.geometric(parameters.churn, node.size)
        end = begin + random.integers(
            parameters.offline_min, parameters.offline_max, node.size, endpoint=True
        )
        matters = begin < parameters.duration
        node, begin, now = node[matters], begin[matters], end[matters]
        parts.append((node, begin, now))
    return _sorted(parts, parameters.duration + parameters.lifetime + parameters.offline_max + 1)


def _sorted(parts: list[tuple[Integers, Integers, Integers]], span: int) -> Outages:
    empty = np.zeros(0, dtype=np.int64)
    columns = [np.concatenate([empty, *(part[i] for part in parts)]) for i in range(3)]
    order = np.lexsort((columns[1], columns[0]))
    return Outages(columns[0][order], columns[1][order], columns[2][order], span)


def _per_node(rate: float, _: Parameters) -> float:
    return rate


def _per_site(rate: float, parameters: Parameters) -> float:
    return rate / parameters.nodes


def _per_renewal(rate: float, parameters: Parameters) -> float:
    mean_lead = parameters.lifetime * parameters.share / 2000
    return rate * parameters.services / (parameters.lifetime - mean_lead)


def _time_offline(rate: float, parameters: Parameters) -> float:
    mean_outage = (parameters.offline_min + parameters.offline_max) / 2
    return rate / (1 - rate) / mean_outage


READINGS: dict[str, Callable[[float, Parameters], float]] = {
    "each node, each second": _per_node,
    "one node of the site, each second": _per_site,
    "a node, at each renewal": _per_renewal,
    "share of time that a node is offline": _time_offline,
}
"""Readings of "churn rate": each turns the rate into `Parameters.churn`. We take the first."""
