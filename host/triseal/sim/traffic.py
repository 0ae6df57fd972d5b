"""From renewals to traffic: octets and signatures in every second of every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from triseal.sim import engine, sizes
from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]
Progress = Callable[[float], None]
"""Told the share of the work that is done, 0 .. 1."""

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
    renewals: int = 0
    on_return: int = 0
    expired: int = 0
    stopped: int = 0


@dataclass
class _Bins:
    """Adds up renewals in batches; bins are seconds of all runs, end to end."""

    duration: int
    services_per_run: int
    octets_each: Integers
    octets: NDArray[np.float64]
    count: Integers
    held: list[tuple[Integers, Integers]] = field(default_factory=list)
    size: int = 0

    def add(self, service: Integers, second: Integers) -> None:
        self.held.append((service, second))
        self.size += service.size
        if self.size >= _BATCH:
            self.flush()

    def flush(self) -> None:
        if not self.held:
            return
        service = np.concatenate([pair[0] for pair in self.held])
        bins = np.concatenate([pair[1] for pair in self.held])
        bins += service // self.services_per_run * self.duration
        # Sums stay far below 2**53, so these floats count octets exactly.
        self.octets += np.bincount(bins, self.octets_each[service], self.octets.size)
        self.count += np.bincount(bins, minlength=self.count.size)
        self.held.clear()
        self.size = 0


def simulate(parameters: Parameters, progress: Progress | None = None) -> Traffic:
    """Run the model and count.

    Args:
        parameters: the site.
        progress: called now and then with the share that is done.
    """
    drawn = engine.draws(parameters)
    wire = sizes.wire(parameters)
    bins = parameters.runs * parameters.duration
    total = _Bins(
        parameters.duration,
        parameters.services_per_run,
        wire.renewal[drawn.payloads],
        np.zeros(bins),
        np.zeros(bins, dtype=np.int64),
    )
    returns = _returns(parameters, drawn)
    shape = (parameters.runs, parameters.duration)
    traffic = Traffic(parameters, total.count, total.count, returns.reshape(shape))
    for generation in engine.generations(parameters, drawn):
        total.add(generation.service, generation.second)
        traffic.renewals += generation.service.size
        traffic.on_return += int(np.count_nonzero(generation.returned))
        traffic.expired += int(np.count_nonzero(generation.stopped))
        traffic.stopped += int(generation.stopped.sum())
        if progress and generation.service.size:
            progress(float(generation.second.mean()) / parameters.duration)
    total.flush()
    traffic.octets = (total.octets.astype(np.int64) + returns * wire.reconnect).reshape(shape)
    traffic.signatures = total.count.reshape(shape)
    return traffic


def _returns(parameters: Parameters, drawn: engine.Draws) -> Integers:
    """Nodes that come back, for each bin."""
    outages = drawn.outages
    seen = outages.end < parameters.duration
    run = outages.node[seen] // parameters.nodes
    bins = run * parameters.duration + outages.end[seen]
    return np.bincount(bins, minlength=parameters.runs * parameters.duration)
