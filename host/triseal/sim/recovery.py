"""The return of a site after a power outage: all nodes boot at once, all seals are expired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sealcore import renewal
from triseal.sim import sizes
from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Recovery:
    """The course of a site's return.

    Attributes:
        spread: seconds over which the nodes' first connects are drawn.
        peak_bytes: bytes in the busiest second, with handshakes, if signing keeps up.
        peak_handshakes: handshakes in the busiest second.
        peak_signatures: signatures in the busiest second. Each one needs a database write too: a
            renewal is recorded before it is sent.
        half, last: seconds from boot until half, and all, of the services run again, with the given
            signatures per second.
    """

    spread: int
    peak_bytes: int
    peak_handshakes: int
    peak_signatures: int
    half: int
    last: int


def recover(parameters: Parameters, spread: int, signatures_per_second: float) -> Recovery:
    """Simulate the return of a site of one run.

    Args:
        parameters: the site: its nodes, services, payloads, format and seed.
        spread: seconds, for `sealcore.renewal.connect_delay`.
        signatures_per_second: signatures that the SLCA can make in a second.
    """
    random = np.random.default_rng(parameters.seed)
    bits = random.integers(0, 2**32, parameters.nodes, dtype=np.int64)
    at = np.zeros_like(bits) + renewal.connect_delay(bits, spread)  # type: ignore[arg-type]
    nodes = np.bincount(at, minlength=max(1, spread))
    wire = sizes.wire(parameters)
    renewals = nodes * parameters.services
    each = float(wire.expired[parameters.payload_min :].mean())
    served = _served(renewals, signatures_per_second)
    return Recovery(
        spread=spread,
        peak_bytes=round(float((nodes * wire.reconnect + renewals * each).max())),
        peak_handshakes=int(nodes.max()),
        peak_signatures=int(renewals.max()),
        half=int(np.searchsorted(served, renewals.sum() / 2)),
        last=int(np.searchsorted(served, renewals.sum() - 0.5)),
    )


def _served(arrivals: Integers, capacity: float) -> NDArray[np.float64]:
    """Count the signatures done by the end of each second, by a queue with a fixed capacity."""
    total = int(arrivals.sum())
    seconds = arrivals.size + int(total / capacity) + 2
    asked = np.full(seconds, float(total))
    asked[: arrivals.size] = np.cumsum(arrivals)
    # The queue can't use idle time later: the backlog starts again at its lowest point so far
    # (Lindley's recursion, without a loop).
    capacity_so_far = capacity * np.arange(1, seconds + 1)
    idle = np.minimum.accumulate(np.concatenate(([0.0], asked - capacity_so_far)))[:-1]
    served: NDArray[np.float64] = np.minimum(asked, capacity_so_far + idle)
    return served
