"""Closed forms: what can be said of a site without simulating it. The tests hold them together.

Take one service and one random outage of its node. A cycle of lead l lasts `lifetime - l` seconds
and is met in proportion to that; what is then left of the seal, r, is uniform over l .. lifetime.
An outage of d seconds outlives it if d > r, by d - r. Averaged over r that is a polynomial over
the cycle's length, which cancels against the proportion in which the cycle is met.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triseal.sim import rules
from triseal.sim.parameters import Parameters

_QUANTILES = 4096  # of the lead's distribution; fine enough for the third digit


def leads(parameters: Parameters) -> NDArray[np.float64]:
    """Equally likely leads of the rule, in seconds."""
    bits = (np.arange(_QUANTILES, dtype=np.int64) * 2 + 1) * (2**31 // _QUANTILES)
    return rules.rule(parameters)(bits).astype(float)


def renewals_per_second(parameters: Parameters) -> float:
    """Of one service whose node is always online."""
    return 1.0 / (parameters.lifetime - float(leads(parameters).mean()))


def outages_per_second(parameters: Parameters) -> float:
    """Of one node: up for 1 / churn seconds on average, then away."""
    if parameters.churn == 0:
        return 0.0
    away = (parameters.offline_min + parameters.offline_max) / 2
    return 1.0 / (1.0 / parameters.churn + away)


def _mean(parameters: Parameters, power: int) -> float:
    """Mean over outage lengths d, leads l and what is left r of (d - r)**(power - 1), if d > r."""
    lead, lifetime = leads(parameters), parameters.lifetime
    lengths = np.linspace(parameters.offline_min, parameters.offline_max, 512)[:, None]
    integral = np.clip(lengths - lead, 0, None) ** power
    integral -= np.clip(lengths - lifetime, 0, None) ** power
    return float(integral.mean() / power / (lifetime - lead.mean()))


def expiring_share(parameters: Parameters) -> float:
    """Share of the seals on a node that drops out which expire before it is back."""
    return _mean(parameters, 1)


def stopped_share(parameters: Parameters) -> float:
    """Share of time that a service stands still because its seal expired in an outage."""
    return outages_per_second(parameters) * _mean(parameters, 2)
