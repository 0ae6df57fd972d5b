"""Renewal rules: ours, which is the code of sealcore, and two well-known ones.

A rule maps random bits to a lead: the seconds before expiry at which the renewal is due.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sealcore import renewal
from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]
Lead = Callable[[Integers], Integers]

SPIRE_POLL = 5  # seconds between two checks of its certificates by the SPIRE agent, by default


def _triseal(lifetime: int, share: int, count: int = 1) -> Lead:
    """Make the lead function of our rule for a node that holds `count` seals."""
    seconds = renewal.window(lifetime, share)
    if seconds == 0:
        return np.zeros_like
    return lambda bits: renewal.lead(seconds, bits, count)  # type: ignore[arg-type, return-value]


def _early(lifetime: int, share: int) -> Lead:
    """Move our window ahead by its own length, as a margin before expiry would do."""
    seconds = renewal.window(lifetime, share)
    ours = _triseal(lifetime, share)
    return lambda bits: seconds + ours(bits)


def _step_ca(lifetime: int) -> Lead:
    """smallstep/certificates, ca/renew.go: renew at two thirds, up to a twentieth earlier."""
    return lambda bits: lifetime // 3 + _share_of(lifetime // 20, bits)


def _spire(lifetime: int) -> Lead:
    """spiffe/spire, rotationutil: renew at half the lifetime, plus or minus a tenth of the half."""
    half = lifetime // 2
    jitter = half // 10
    return lambda bits: half - jitter + _share_of(2 * jitter, bits)


def _spire_polled(lifetime: int) -> Lead:
    """The same, but drawn again at every poll of the agent, as SPIRE's code does.

    At poll k the certificate has half + jitter - 5k seconds left. It is renewed if that is not more
    than a new draw, with probability 5k / (2 * jitter). The first success therefore comes early.
    """
    half = lifetime // 2
    jitter = max(1, half // 10)
    polls = np.arange(1, -(-2 * jitter // SPIRE_POLL) + 1)
    rotates = np.minimum(1.0, SPIRE_POLL * polls / (2 * jitter))
    rotated_by = 1.0 - np.cumprod(1.0 - rotates)
    leads = np.maximum(0, half + jitter - SPIRE_POLL * polls).astype(np.int64)
    return lambda bits: leads[np.searchsorted(rotated_by, bits / 2.0**32, side="right")]


def _share_of(count: int, bits: Integers) -> Integers:
    return renewal.share_of(count, bits)  # type: ignore[arg-type, return-value]


def rule(parameters: Parameters) -> Lead:
    """Return the lead function of a rule.

    Args:
        parameters: `rule`, `lifetime` and `share` count.

    Returns: a function that maps int64 random bits, 0 .. 2**32 - 1, of any shape, to leads in
        seconds.
    """
    if parameters.rule == "early":
        return _early(parameters.lifetime, parameters.share)
    if parameters.rule == "step-ca":
        return _step_ca(parameters.lifetime)
    if parameters.rule == "spire":
        return _spire(parameters.lifetime)
    if parameters.rule == "spire-polled":
        return _spire_polled(parameters.lifetime)
    count = parameters.services if parameters.companions == "one-draw" else 1
    return _triseal(parameters.lifetime, parameters.share, count)
