"""How large a soak is, and what it allows for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameters:
    """One run.

    Attributes:
        nodes, services: MicroPython nodes, and services on each.
        seconds: from the moment when all run, to the end.
        lifetime: of site seals, seconds, once all services run. Two cores must be able to renew
            all of them several times in it, beside everything else.
        installing: seconds that the installation of all services may take, and the lifetime of
            site seals meanwhile: what a node has not yet installed must not expire.
        renewals: that each seal must have seen in the end.
        every: seconds between one fault and the next, on average.
        calm: seconds without new faults at the end, in which all must come back.
        slack: seconds that seeing, stopping and a busy machine may take.
        silence: seconds without a sign of life that a service may take while it runs.
        settle: seconds from a node's connection until all of its services run.
        growth: MiB by which the server may grow once all nodes are there.
        bad: one of so many nodes has a clock and a flash as bad as real ones; 0: none.
        steps: seconds by which the site's clock is set at most; 0: never.
        seed: of the faults.
    """

    nodes: int = 15
    services: int = 30
    seconds: float = 300.0
    lifetime: int = 30
    installing: int = 900
    renewals: int = 8
    every: float = 4.0
    calm: float = 45.0
    slack: float = 2.5
    silence: float = 8.0
    settle: float = 25.0
    growth: float = 64.0
    bad: int = 3
    steps: float = 250.0
    seed: int = 1


SMALL = Parameters(nodes=3, services=5, seconds=40.0, lifetime=10, renewals=2, every=2.0, calm=20.0)
