"""The paper's statements about its Fig. 3 (section IV), each checked against our numbers."""

from __future__ import annotations

from dataclasses import dataclass

from triseal.sim.paper import (
    LIMIT,
    OURS_WITH,
    OURS_WITHOUT,
    PAPER_WITH,
    PAPER_WITHOUT,
    Result,
)

STRAIGHT = 0.98  # share of variance that a line must explain if growth is to count as linear
HOLDS, PARTLY, FAILS = "holds", "holds in part", "fails"


@dataclass(frozen=True)
class Statement:
    """One statement of the paper.

    Attributes:
        sentence: the statement.
        verdict: HOLDS, PARTLY or FAILS.
        figure: the numbers that show it, as text.
    """

    sentence: str
    verdict: str
    figure: str


def _kb(wire_bytes: float) -> str:
    return f"{wire_bytes / 1000:.2f} KB/s"


def _linear_without(result: Result) -> Statement:
    fits = result.growth[PAPER_WITHOUT]
    worst = min(fits[what].r_squared for what in ("q1", "q3", "maximum"))
    return Statement(
        "Without backoff the traffic's peaks increase linearly with the number of services, "
        "visible at the quartile boundaries.",
        HOLDS if worst >= STRAIGHT else FAILS,
        f"a line explains {worst:.1%} of the variance or more; {fits['maximum'].slope:.0f} "
        f"bytes/s a service for the peaks, {fits['q3'].slope:.0f} for the upper quartile",
    )


def _low_quartiles(result: Result) -> Statement:
    highest = max(p.box.q3 for p in result.points[PAPER_WITH])
    largest = result.points[PAPER_WITH][-1]
    return Statement(
        "With backoff the quartile boundaries remain below 2.5 KB/s even with 600 services.",
        HOLDS if highest < LIMIT else FAILS,
        f"{largest.services} services: {_kb(largest.box.q1)} to {_kb(largest.box.q3)}; our "
        f"deltas: {_kb(result.points[OURS_WITH][-1].box.q3)}",
    )


def _occasional(result: Result) -> Statement:
    largest = result.points[PAPER_WITH][-1]
    return Statement(
        "With backoff the traffic only has occasional peaks.",
        HOLDS if largest.above_limit < 0.05 else FAILS,
        f"{largest.above_limit:.2%} of the seconds with traffic exceed 2.5 KB/s",
    )


def _outliers(result: Result) -> Statement:
    largest, still = result.points[PAPER_WITH][-1], result.without_churn
    high, every = largest.peaks_on_return, largest.outliers_on_return
    if high < 0.99:
        verdict = FAILS
    else:
        verdict = HOLDS if every >= 0.99 else PARTLY
    return Statement(
        "The outliers are caused by reconnecting nodes that refresh all their certificates.",
        verdict,
        f"a node came back in {high:.0%} of the seconds above half the highest, and without "
        f"churn the highest falls from {_kb(largest.box.maximum)} to {_kb(still.box.maximum)}; "
        f"but it did so in only {every:.1%} of all seconds above the whisker: in the others two or "
        f"three services meet by chance, and one certificate more is already an outlier",
    )


def _slow_growth(result: Result) -> Statement:
    with_, without = result.growth[PAPER_WITH], result.growth[PAPER_WITHOUT]
    ratio = with_["mean"].slope / without["mean"].slope
    linear = with_["maximum"].r_squared >= STRAIGHT
    by_outliers = with_["q3"].slope < 0.1 * with_["maximum"].slope
    low = ratio < 0.05
    return Statement(
        "With backoff traffic still increases linearly, mainly due to outliers, with a very low "
        "coefficient.",
        HOLDS if linear and by_outliers and low else PARTLY if low else FAILS,
        f"{with_['mean'].slope:.2f} bytes/s a service for the mean, {ratio:.1%} of that without "
        f"backoff; {with_['maximum'].slope:.0f} for the peaks (a line explains "
        f"{with_['maximum'].r_squared:.1%}), {with_['q3'].slope:.2f} for the upper quartile",
    )


def _lower_average(result: Result) -> Statement:
    with_, without = (result.points[name][-1].box for name in (PAPER_WITH, PAPER_WITHOUT))
    return Statement(
        "The average traffic is significantly lower with backoff.",
        HOLDS if with_.mean < 0.1 * without.mean else FAILS,
        f"{_kb(with_.mean)} instead of {_kb(without.mean)} in a second with traffic; over all "
        f"seconds it is {with_.average / without.average - 1:+.0%} (seals are renewed earlier, so "
        f"more often): {with_.average:.0f} instead of {without.average:.0f} bytes/s",
    )


def _low_bandwidth(result: Result) -> Statement:
    largest, ours = (result.points[name][-1].box for name in (PAPER_WITH, OURS_WITH))
    return Statement(
        "With backoff the solution requires low bandwidth even for larger amounts of services.",
        HOLDS if largest.average < 1000 else FAILS,
        f"{largest.average:.0f} bytes/s on average, {_kb(largest.maximum)} at the highest; our "
        f"deltas, both directions and TLS included, {ours.average:.0f} bytes/s and "
        f"{_kb(ours.maximum)} (without backoff {_kb(result.points[OURS_WITHOUT][-1].box.maximum)})",
    )


def _churn_reading(result: Result) -> Statement:
    boxes = [p.box for p in result.readings.values()]
    low, high = min(b.q3 for b in boxes), max(b.q3 for b in boxes)
    peaks = sorted(b.maximum for b in boxes)
    return Statement(
        "(Ours) The boxes hardly depend on the reading of a churn rate of 0.001 %.",
        HOLDS if high < 1.01 * low else FAILS,
        f"upper quartile {_kb(low)} to {_kb(high)} under {len(boxes)} readings; only the outliers "
        f"change, the highest from {_kb(peaks[0])} to {_kb(peaks[-1])}",
    )


def _companions(result: Result) -> Statement:
    alone, early, ours = (result.companions[name] for name in ("none", "own-draws", "one-draw"))
    before, after = alone.point.box, ours.point.box
    saves = after.average < 0.9 * before.average
    spread = ours.renewals < 1.02 * alone.renewals and ours.first_peak < early.first_peak / 3
    return Statement(
        "(Ours) Nodes that renew all their seals in one message cause less traffic, and the "
        "backoff still keeps nodes apart.",
        HOLDS if saves and spread else FAILS,
        f"{after.average:.0f} instead of {before.average:.0f} bytes/s on average, with "
        f"{ours.renewals / alone.renewals - 1:+.1%} renewals; a second with traffic is one node's "
        f"message, {_kb(after.median)} instead of {_kb(before.median)}. After a common start the "
        f"busiest second of 1000 services has {ours.first_peak:.1f} signatures, not "
        f"{alone.first_peak:.1f}. With a draw for each seal instead of one for all: "
        f"{early.point.box.average:.0f} bytes/s, {early.renewals / alone.renewals - 1:+.1%} "
        f"renewals, {early.first_peak:.0f} signatures in that second",
    )


def check(result: Result) -> list[Statement]:
    """Check all statements.

    Args:
        result: the simulated points.

    Returns: the statements in the order of the paper.
    """
    return [
        _outliers(result),
        _linear_without(result),
        _occasional(result),
        _low_quartiles(result),
        _slow_growth(result),
        _lower_average(result),
        _low_bandwidth(result),
        _churn_reading(result),
        _companions(result),
    ]
