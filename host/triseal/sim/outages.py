"""Outages of nodes (churn), and the possible readings of the paper's "churn rate of 0,001%".

The times of all nodes lie on one axis: node n owns `n * span` up to `(n + 1) * span`. One binary
search then serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]


class Outages:
    """The intervals in which nodes are offline, from `begin` up to `end`, without `end` itself.

    Args:
        node: index of the node of each interval, ascending; shape (intervals,).
        begin, end: seconds since the start, ascending for each node, disjoint; same shape.
        span: seconds that each node gets on the common axis; more than any time that is asked for.
    """

    def __init__(self, node: Integers, begin: Integers, end: Integers, span: int) -> None:
        self.node, self.begin, self.end, self.span = node, begin, end, span
        base = node * span
        self._begin = base + begin
        self._before = np.concatenate(([-1], base + end))
        self._after = np.concatenate((base + end, [np.iinfo(np.int64).max]))

    def online_from(self, at: Integers) -> Integers:
        """Find the first second not before `at` in which the node is online.

        Args:
            at: times on the common axis, of any shape.
        """
        latest_end = self._before[np.searchsorted(self._begin, at, side="right")]
        return np.maximum(at, latest_end)

    def reconnect_after(self, at: Integers) -> Integers:
        """Find the next return of the node after `at`, or a time of a later node if it has none.

        Args:
            at: times on the common axis, of any shape.
        """
        return self._after[np.searchsorted(self._after, at, side="right")]


def draw(parameters: Parameters, random: np.random.Generator) -> Outages:
    """Draw the outages of all nodes of all runs, run after run.

    An online node drops out in each second with probability `churn`. The time to its next outage is
    therefore geometric, and at least one online second lies between two outages.

    Args:
        parameters: the site.
        random: the source of random numbers.
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
"""Readings of "churn rate": each turns the rate into `Parameters.churn`. We use the first one."""
