"""The vectorised model: each step renews every service once, all services of all runs together."""

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
"""Returns at each call one new int64 with 32 random bits for each service of all runs."""


@dataclass(frozen=True)
class Generation:
    """One renewal of each service, if it falls into the service's run.

    Attributes, each of shape (renewals,):
        service: index of the service, 0 .. runs * nodes * services - 1, run after run and node
            after node.
        second: when the renewal happens, seconds since the start of its run.
        issued: when the replaced seal was issued, seconds since the start of its run.
        stopped: seconds that the service stood still because the replaced seal had expired.
        expired: whether the node returned only in the seal's last second or later.
        returned: whether the renewal happened at the node's return and not at the drawn time.
    """

    service: Integers
    second: Integers
    issued: Integers
    stopped: Integers
    expired: NDArray[np.bool_]
    returned: NDArray[np.bool_]


@dataclass(frozen=True)
class Draws:
    """The random values of a simulation. Each kind comes from its own stream of the seed.

    Two rules or shares that are compared with one seed therefore see the same outages and payloads.

    Attributes:
        outages: the outages of all nodes.
        payloads: bytes of grants of each service, shape (runs * services of a run,).
        bits: returns random bits for a renewal of each service.
    """

    outages: churn.Outages
    payloads: Integers
    bits: Bits


def draws(parameters: Parameters) -> Draws:
    """Draw the random values of a simulation.

    Args:
        parameters: the site; the seed is one of them.
    """
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(parameters.seed).spawn(3)]
    count = parameters.runs * parameters.services_per_run
    payloads = streams[1].integers(
        parameters.payload_min, parameters.payload_max, count, endpoint=True
    )

    def bits() -> Integers:
        return streams[2].integers(0, 2**32, count, dtype=np.int64)

    return Draws(churn.draw(parameters, streams[0]), payloads, bits)


def generations(parameters: Parameters, drawn: Draws) -> Iterator[Generation]:
    """Renew all services again and again until the end of their run.

    Every service holds a new seal at second 0. The generations of one service follow each other in
    time; those of different services overlap. If a seal is due while its node is offline, it is
    renewed when the node returns. Until then the service runs to the last second of the seal and
    then stands still. If a node makes one draw for all its seals, they stay together.

    Not for the companions "own-draws"; `companions` simulates these.

    Args:
        parameters: the site.
        drawn: the random values.
    """
    outages = drawn.outages
    lead = rules.rule(parameters)
    count = parameters.runs * parameters.services_per_run
    service = np.arange(count, dtype=np.int64)
    base = service // parameters.services * outages.span
    issued = base
    while service.size:
        bits = drawn.bits()
        if parameters.companions == "one-draw":
            bits = bits[service // parameters.services]
        elif service.size != count:
            bits = bits[service]
        not_after = issued + parameters.lifetime
        due = not_after - lead(bits)
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
