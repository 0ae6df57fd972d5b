"""From renewals to traffic: octets and signatures in every second of every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triseal.sim import engine, sizes
from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]
Progress = Callable[[float], None]
"""Told the share of the work that is done, 0 .. 1."""

_NONE = np.zeros(0, dtype=np.int64)
_BATCH = 4_000_000  # renewals that are added up at once: bounds memory, saves passes over the bins


@dataclass
class Traffic:
    """The outcome of a simulation.

    Attributes:
        parameters: what it was told.
        octets: on the wire, both directions; shape (runs, duration).
        signatures: by the SLCA, one for each renewal; shape (runs, duration).
        returns: nodes that came back online; shape (runs, duration).
        renewals: of all runs.
        on_return: renewals that came when their node returned, and not when they were drawn.
        expired: renewals that came after their seal's expiry.
        stopped: seconds that services stood still for it, summed over services.
    """

    parameters: Parameters
    octets: Integers
    signatures: Integers
    returns: Integers
    renewals: int
    on_return: int
    expired: int
    stopped: int


@dataclass
class _Bins:
    """Adds up renewals in batches; bins are seconds of all runs, end to end."""

    parameters: Parameters
    octets_each: Integers
    held: list[tuple[Integers, Integers]] = field(default_factory=list)
    size: int = 0
    octets: NDArray[np.floating[Any]] | float = 0.0
    count: Integers | int = 0

    def add(self, service: Integers, second: Integers) -> None:
        self.held.append((service, second))
        self.size += service.size
        if self.size >= _BATCH:
            self.flush()

    def flush(self) -> None:
        service = np.concatenate([_NONE, *(pair[0] for pair in self.held)])
        bins = np.concatenate([_NONE, *(pair[1] for pair in self.held)])
        bins += service // self.parameters.services_per_run * self.parameters.duration
        every = self.parameters.runs * self.parameters.duration
        # Sums stay far below 2**53, so these floats count octets exactly.
        octets = np.bincount(bins, self.octets_each[service], every)
        count = np.bincount(bins, minlength=every)
        self.octets = self.octets + octets
        self.count = self.count + count
        self.held.clear()
        self.size = 0

    def total(self) -> tuple[Integers, Integers]:
        """Octets and renewals, for each bin."""
        self.flush()
        return np.asarray(self.octets, dtype=np.int64), np.asarray(self.count)


def simulate(parameters: Parameters, progress: Progress | None = None) -> Traffic:
    """Run the model and count.

    Args:
        parameters: the site.
        progress: called now and then with the share that is done.
    """
    drawn = engine.draws(parameters)
    wire = sizes.wire(parameters)
    bins = _Bins(parameters, wire.renewal[drawn.payloads])
    figures = {"renewals": 0, "on_return": 0, "expired": 0, "stopped": 0}
    for generation in engine.generations(parameters, drawn):
        bins.add(generation.service, generation.second)
        figures["renewals"] += generation.service.size
        figures["on_return"] += int(np.count_nonzero(generation.returned))
        figures["expired"] += int(np.count_nonzero(generation.stopped))
        figures["stopped"] += int(generation.stopped.sum())
        if progress and generation.service.size:
            progress(float(generation.second.mean()) / parameters.duration)
    octets, count = bins.total()
    returns = np.zeros_like(count)
    np.add.at(returns, back := _returns(parameters, drawn), 1)
    np.add.at(octets, back, wire.reconnect)
    shape = (parameters.runs, parameters.duration)
    return Traffic(
        parameters, octets.reshape(shape), count.reshape(shape), returns.reshape(shape), **figures
    )


def _returns(parameters: Parameters, drawn: engine.Draws) -> Integers:
    """The bin of every return of a node."""
    outages = drawn.outages
    seen = outages.end < parameters.duration
    run = outages.node[seen] // parameters.nodes
    return run * parameters.duration + outages.end[seen]
