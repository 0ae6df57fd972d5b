"""From renewals to traffic: bytes and signatures in every second of every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triseal.sim import companions, engine, sizes
from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]
Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 .. 1."""

_NONE = np.zeros(0, dtype=np.int64)
_UNASKED = -1  # the site sent the seal without being asked, since the old one had expired
_BATCH = 4_000_000
"""Number of renewals that are added up at once. It bounds memory and saves passes over the bins.
Renewals of a node in one second that fall into two batches count as two messages, which is rare."""


@dataclass
class Traffic:
    """The outcome of a simulation.

    Attributes:
        parameters: the simulated site.
        wire_bytes: bytes on the wire, both directions; shape (runs, duration).
        signatures: signatures by the SLCA, one for each renewal; shape (runs, duration).
        returns: nodes that came back online; shape (runs, duration).
        renewals: number of renewals of all runs.
        on_return: renewals that happened at the return of the node and not at the drawn time.
        expired: renewals whose old seal had expired or was in its last second.
        stopped: seconds that services stood still for this reason, summed over services.
    """

    parameters: Parameters
    wire_bytes: Integers
    signatures: Integers
    returns: Integers
    renewals: int
    on_return: int
    expired: int
    stopped: int


class _Bins:
    """A sum of renewals, added in batches. The bins are the seconds of all runs, end to end.

    Args:
        parameters: the simulated site.
        wire: the sizes of messages.
        payloads: bytes of grants of all services.
    """

    def __init__(self, parameters: Parameters, wire: sizes.Wire, payloads: Integers) -> None:
        self._parameters, self._together = parameters, wire.together
        self._every = parameters.runs * parameters.duration
        place = np.arange(payloads.size)
        self._first = place // parameters.services_per_run * parameters.duration
        self._first_of_node = place // parameters.services * parameters.duration
        self._asked, self._expired = wire.renewal[payloads], wire.expired[payloads]
        self._held: list[tuple[Integers, Integers, Integers]] = []
        self._size = 0
        self._wire_bytes: NDArray[np.floating[Any]] | float = 0.0
        self._count: Integers | int = 0

    def add(self, some: engine.Generation) -> None:
        wire_bytes = self._asked[some.service]
        asked = self._first_of_node[some.service] + some.second if self._together else _NONE
        if some.expired.any():
            wire_bytes[some.expired] = self._expired[some.service[some.expired]]
            if self._together:
                asked[some.expired] = _UNASKED
        self._held.append((some.second + self._first[some.service], wire_bytes, asked))
        self._size += some.service.size
        if self._size >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        bins, wire_bytes, asked = (
            np.concatenate([_NONE, *(held[i] for held in self._held)]) for i in range(3)
        )
        count = np.bincount(bins, minlength=self._every)
        # Sums stay far below 2**53, so that these floats count bytes exactly.
        self._wire_bytes = self._wire_bytes + np.bincount(bins, wire_bytes, self._every)
        if self._together:
            more = self._more(asked[count[bins] > 1])  # a lone renewal in a second saves nothing
            self._wire_bytes -= self._together * np.bincount(more, minlength=self._every)
        self._count = self._count + count
        self._held.clear()
        self._size = 0

    def _more(self, asked: Integers) -> Integers:
        """Return the bin of each renewal that is not the first of its node in its second.

        Args:
            asked: second of each renewal, node after node end to end, or _UNASKED.
        """
        asked.sort()
        more = asked[1:][(asked[1:] == asked[:-1]) & (asked[1:] != _UNASKED)]
        node, second = np.divmod(more, self._parameters.duration)
        bins: Integers = node // self._parameters.nodes * self._parameters.duration + second
        return bins

    def total(self) -> tuple[Integers, Integers]:
        """Return bytes and number of renewals, for each bin."""
        self._flush()
        return np.asarray(self._wire_bytes, dtype=np.int64), np.asarray(self._count)


def simulate(parameters: Parameters, progress: Progress | None = None) -> Traffic:
    """Simulate a site and count its traffic.

    Args:
        parameters: the site.
        progress: called now and then with the share that is done.
    """
    drawn = engine.draws(parameters)
    wire = sizes.wire(parameters)
    bins = _Bins(parameters, wire, drawn.payloads)
    figures = {"renewals": 0, "on_return": 0, "expired": 0, "stopped": 0}
    model = companions if parameters.companions == "own-draws" else engine
    for generation in model.generations(parameters, drawn):
        bins.add(generation)
        figures["renewals"] += generation.service.size
        figures["on_return"] += int(np.count_nonzero(generation.returned))
        figures["expired"] += int(np.count_nonzero(generation.expired))
        figures["stopped"] += int(generation.stopped.sum())
        if progress and generation.service.size:
            progress(float(generation.second.mean()) / parameters.duration)
    wire_bytes, count = bins.total()
    returns = np.zeros_like(count)
    np.add.at(returns, back := _returns(parameters, drawn), 1)
    np.add.at(wire_bytes, back, wire.reconnect)
    shape = (parameters.runs, parameters.duration)
    return Traffic(
        parameters,
        wire_bytes.reshape(shape),
        count.reshape(shape),
        returns.reshape(shape),
        **figures,
    )


def _returns(parameters: Parameters, drawn: engine.Draws) -> Integers:
    """Return the bin of every return of a node."""
    outages = drawn.outages
    seen = outages.end < parameters.duration
    run = outages.node[seen] // parameters.nodes
    return run * parameters.duration + outages.end[seen]
