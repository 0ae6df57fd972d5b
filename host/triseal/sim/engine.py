"""The vectorised model: every step renews each service once, all services of all runs together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triseal.sim import outages as churn
from triseal.sim import rules
from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]
Bits = Callable[[], Integers]
"""Gives one fresh int64 of 32 random bits for each service of all runs, at each call."""


@dataclass(frozen=True)
class Generation:
    """One renewal of each service whose renewal falls into its run.

    Attributes, each of shape (renewals,):
        service: index, 0 .. runs * nodes * services - 1; run after run, node after node.
        second: of the renewal, since the start of its run.
        issued: when the seal that it replaces was issued.
        stopped: seconds that the service stood still because that seal had expired.
        expired: whether its node returned only at the seal's last second, or later.
        returned: whether it came when the node returned, and not when it was drawn.
    """

    service: Integers
    second: Integers
    issued: Integers
    stopped: Integers
    expired: NDArray[np.bool_]
    returned: NDArray[np.bool_]


@dataclass(frozen=True)
class Draws:
    """All that is random in a simulation, each from its own stream of the seed.

    So two rules or shares that are compared on one seed see the same outages and payloads.
    """

    outages: churn.Outages
    payloads: Integers
    bits: Bits


def draws(parameters: Parameters) -> Draws:
    """Random outages, payloads (octets, shape (runs * services of a run,)) and bits."""
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(parameters.seed).spawn(3)]
    count = parameters.runs * parameters.services_per_run
    payloads = streams[1].integers(
        parameters.payload_min, parameters.payload_max, count, endpoint=True
    )

    def bits() -> Integers:
        return streams[2].integers(0, 2**32, count, dtype=np.int64)

    return Draws(churn.draw(parameters, streams[0]), payloads, bits)


def generations(parameters: Parameters, drawn: Draws) -> Iterator[Generation]:
    """Renewals of all services until the end of the run.

    Every service holds a fresh seal at second 0. Within one service the generations follow each
    other in time; between services they overlap. A seal that is due while its node is offline is
    renewed when the node returns. Until then its service runs to the last second of the seal,
    and no further.
    """
    outages = drawn.outages
    lead = rules.rule(parameters)
    count = parameters.runs * parameters.services_per_run
    service = np.arange(count, dtype=np.int64)
    base = service // parameters.services * outages.span
    issued = base
    while service.size:
        bits = drawn.bits()
        not_after = issued + parameters.lifetime
        due = not_after - lead(bits if service.size == count else bits[service])
        at = outages.online_from(due)
        if parameters.reconnect == "all":
            at = np.minimum(at, outages.reconnect_after(issued))
        returned = at != due
        inside = np.flatnonzero(at - base < parameters.duration)
        if inside.size < service.size:
            service, base, at, returned, issued, not_after = (
                column[inside] for column in (service, base, at, returned, issued, not_after)
            )
        stopped = np.maximum(0, at - not_after - 1)
        expired = returned & (at >= not_after)
        yield Generation(service, at - base, issued - base, stopped, expired, returned)
        issued = at
