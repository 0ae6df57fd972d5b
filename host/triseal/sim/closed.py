"""Closed formulas for a site. The tests compare the simulation with them.

Take one service and one random outage of its node. A cycle with lead l lasts `lifetime - l`
seconds, and an outage falls into it with a probability proportional to that. The rest r of the
seal's life is then uniform over l .. lifetime. An outage of d seconds is longer than the rest if
d > r, by d - r. The average over r is a polynomial divided by the length of the cycle, which
cancels against the probability of the cycle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triseal.sim import rules
from triseal.sim.parameters import Parameters

_QUANTILES = 4096  # of the distribution of leads: enough for three correct digits


def leads(parameters: Parameters) -> NDArray[np.float64]:
    """Compute equally likely leads of the renewal rule.

    Args:
        parameters: the site.

    Returns: seconds before expiry, shape (4096,).
    """
    bits = (np.arange(_QUANTILES, dtype=np.int64) * 2 + 1) * (2**31 // _QUANTILES)
    return rules.rule(parameters)(bits).astype(float)


def renewals_per_second(parameters: Parameters) -> float:
    """Compute the renewals per second of one service whose node is always online.

    Args:
        parameters: the site.
    """
    return 1.0 / (parameters.lifetime - float(leads(parameters).mean()))


def outages_per_second(parameters: Parameters) -> float:
    """Compute the outages per second of one node: it is up for 1 / churn seconds on average.

    Args:
        parameters: the site.
    """
    if parameters.churn == 0:
        return 0.0
    away = (parameters.offline_min + parameters.offline_max) / 2
    return 1.0 / (1.0 / parameters.churn + away)


def _mean(parameters: Parameters, power: int) -> float:
    """Average (d - r)**(power - 1) where d > r, over outage lengths d, leads l and rests r."""
    lead, lifetime = leads(parameters), parameters.lifetime
    lengths = np.linspace(parameters.offline_min, parameters.offline_max, 512)[:, None]
    integral = np.clip(lengths - lead, 0, None) ** power
    integral -= np.clip(lengths - lifetime, 0, None) ** power
    return float(integral.mean() / power / (lifetime - lead.mean()))


def expiring_share(parameters: Parameters) -> float:
    """Compute the share of the seals on a node in an outage that expire before it is back.

    Args:
        parameters: the site.
    """
    return _mean(parameters, 1)


def stopped_share(parameters: Parameters) -> float:
    """Compute the share of time that a service stands still because its seal expired in an outage.

    Args:
        parameters: the site.
    """
    return outages_per_second(parameters) * _mean(parameters, 2)
