"""How large a soak is, and what it allows for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sealcore import renewal

_WINDOW = renewal.SHARE / 1000  # of a lifetime: there the moment of a renewal is drawn


@dataclass(frozen=True)
class Parameters:
    """One run.

    Attributes:
        nodes, services: MicroPython nodes, and services on each.
        seconds: from the moment when all run, to the end.
        lifetime: of site seals, seconds, once all services run; see `fitted`.
        installing: seconds that the installation of all services may take, and the lifetime of
            site seals meanwhile: what a node has not yet installed must not expire.
        renewals: that each seal must have seen in the end; see `fitted`.
        every: seconds between one fault and the next, on average.
        calm: seconds without new faults at the end, in which all must come back.
        slack: seconds that seeing, stopping and a busy machine may take.
        silence: seconds without a sign of life that a service may take while it runs.
        reconnect: seconds for a connection that is under way, beside the wait before it.
        settle: seconds until all services of a node run, from its connection, or from the moment
            when it learned that the site's clock was set; see `fitted`.
        growth: MiB by which the server may grow once all nodes are there.
        bad: one of so many nodes has a clock and a flash as bad as real ones; 0: none.
        drift: of the clock of a bad one at most, millionths.
        steps: seconds by which the site's clock is set at most; 0: never.
        updates: whether agents come over the link in waves meanwhile, good and bad ones, and
            services eat the heap: 0 or 1.
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
    reconnect: float = 35.0
    settle: float = 25.0
    growth: float = 64.0
    bad: int = 3
    drift: int = 10_000
    steps: float = 250.0
    updates: int = 0
    seed: int = 1

    def fitted(self, reseal: float) -> Parameters:
        """Fit these parameters to a machine, so that a run shows faults of the product and not that
        the machine is too small for its nodes and their server together.

        A node renews its seals in the last quarter of their lifetime. After a fault of the server
        all nodes hold seals of the same age: then this quarter must be long enough for all of them.
        A node that comes back may find that all others come back too; what all of them ask for
        takes that time, and its handshake may have to wait for as long. In twice the time, each has
        its new seals and has started its services, beside renewals that are due meanwhile.

        Each lifetime sees a renewal, but for the time that a node may need to come back.

        Args:
            reseal: seconds that this machine needs, with these nodes, to seal all services anew and
                to start them.
        """
        lifetime = max(self.lifetime, math.ceil(reseal / _WINDOW))
        settle = max(self.settle, 2 * reseal)
        renewals = min(self.renewals, max(0, int((self.seconds - settle) / lifetime)))
        return replace(
            self,
            lifetime=lifetime,
            renewals=renewals,
            reconnect=max(self.reconnect, reseal),
            settle=settle,
            calm=max(self.calm, settle),
        )


# Each of twelve faults once, and time for the trials of the agents.
UPDATED = Parameters(nodes=5, services=3, seconds=90.0, renewals=2, updates=1)
SMALL = Parameters(nodes=3, services=5, seconds=40.0, lifetime=10, renewals=2, every=2.0, calm=20.0)
