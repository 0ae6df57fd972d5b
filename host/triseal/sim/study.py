"""The design space around the paper's single point: lifetime, backoff share, rule, site size."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from triseal.sim import capacity, closed, recovery, sizes
from triseal.sim.parameters import FORMATS, RULES, Parameters
from triseal.sim.traffic import Progress, Traffic, simulate

LIFETIMES = (300, 600, 1200, 2500, 5000, 10_000, 20_000, 43_200, 86_400)
SHARES = tuple(range(50, 1001, 50))
CHURNS = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4)
SITES = (1_000, 100_000, 1_000_000)
SPREADS = (1, 10, 30, 100, 300, 1000, 3000)
SERVICES_PER_NODE = 40
TARGET = 1e-3  # share of time that a service may stand still because its seal expired


@dataclass(frozen=True)
class Lifetime:
    """The costs and effects of a lifetime. Traffic is the average of the whole site.

    Attributes:
        lifetime: seconds: also the longest time that a change takes to reach an unreachable node.
        wire_bytes: bytes per second for each format.
        signatures: signatures per second.
        expiring: share of a node's seals that expire in one of its outages.
        stopped: share of time that services stand still for this reason.
    """

    lifetime: int
    wire_bytes: dict[str, float]
    signatures: float
    expiring: float
    stopped: float


@dataclass(frozen=True)
class RuleOutcome:
    """The outcome of a renewal rule. All rules are simulated with the same seed.

    Attributes:
        rule: name of the rule, ours with its share.
        renewals: relative to a rule that renews at expiry: the price in traffic and signatures.
        spread: standard deviation of the moment of renewal, seconds.
        first_peak: most signatures in a second after a common start, for 1000 services.
        later_peak: the same after the fourth lifetime, when the renewals have mixed.
        expiring: share of the seals on a node in an outage that expire before it is back.
        stopped: share of service time that is lost for this reason.
    """

    rule: str
    renewals: float
    spread: float
    first_peak: float
    later_peak: float
    expiring: float
    stopped: float


def lifetime(parameters: Parameters) -> Lifetime:
    """Compute one row of the study by lifetime.

    Args:
        parameters: the site with this lifetime.
    """
    rate = closed.renewals_per_second(parameters) * parameters.services_per_run
    wire_bytes = {}
    for name in FORMATS:
        wire = sizes.wire(replace(parameters, format=name))
        each = float(wire.renewal[parameters.payload_min :].mean())
        if parameters.companions != "none":
            each -= wire.together * (1 - 1 / parameters.services)
        wire_bytes[name] = rate * each
    return Lifetime(
        parameters.lifetime,
        wire_bytes,
        rate,
        closed.expiring_share(parameters),
        closed.stopped_share(parameters),
    )


def peaks(parameters: Parameters) -> tuple[float, float]:
    """Simulate the peaks of a rule, see RuleOutcome.

    The site is a hundred times as large and has no churn, so that only the rule counts.

    Args:
        parameters: the site with this rule.

    Returns: the most signatures in a second for 1000 services, at first and later.
    """
    large = replace(parameters, nodes=parameters.nodes * 100, churn=0.0, runs=1)
    signatures = simulate(large).signatures[0]
    part = large.services_per_run / 1000
    first, later = signatures[: 2 * large.lifetime], signatures[4 * large.lifetime :]
    return float(first.max() / part), float(later.max(initial=0) / part)


def renewals(traffic: Traffic) -> float:
    """Count the renewals of a service in a lifetime: the price of a rule.

    Args:
        traffic: of a simulated site.
    """
    p = traffic.parameters
    return traffic.renewals * p.lifetime / (p.services_per_run * p.runs * p.duration)


def outcome(label: str, parameters: Parameters) -> RuleOutcome:
    """Simulate one rule. Outages depend only on the seed, so that all rules have the same ones.

    Args:
        label: name of the rule in the outcome.
        parameters: the site with this rule.
    """
    traffic = simulate(parameters)
    service_seconds = parameters.services_per_run * parameters.runs * parameters.duration
    held = int(traffic.returns.sum()) * parameters.services
    first_peak, later_peak = peaks(parameters)
    return RuleOutcome(
        rule=label,
        renewals=renewals(traffic),
        spread=float(np.std(closed.leads(parameters))),
        first_peak=first_peak,
        later_peak=later_peak,
        expiring=traffic.expired / held if held else 0.0,
        stopped=traffic.stopped / service_seconds,
    )


def rules(base: Parameters) -> list[RuleOutcome]:
    """Simulate our rule with several shares, and those of step-ca and SPIRE.

    All of them renew each seal by itself: the rules differ only in the moment of a renewal.

    Args:
        base: the site.
    """
    base = replace(base, companions="none")
    ours = [
        (f"triseal {share / 10:g} %", replace(base, rule="triseal", share=share))
        for share in (0, 100, 250, 500, 1000)
    ]
    others = [(rule, replace(base, rule=rule)) for rule in RULES[1:]]
    return [outcome(label, parameters) for label, parameters in ours + others]


def stopped_by_share(base: Parameters) -> dict[float, list[float]]:
    """Compute the share of time that services stand still.

    Args:
        base: the site.

    Returns: for each of CHURNS the shares of time, one for each of SHARES.
    """
    return {
        churn: [closed.stopped_share(replace(base, churn=churn, share=s)) for s in SHARES]
        for churn in CHURNS
    }


@dataclass(frozen=True)
class Best:
    """The settings that meet TARGET under some churn.

    Attributes:
        share: the smallest of SHARES that meets it, thousandths, because a larger one costs more
            traffic; None if none meets it.
        lifetime: the shortest of LIFETIMES that meets it with a share of 250, seconds, because a
            change takes as long to reach every node; None if none meets it.
    """

    share: int | None
    lifetime: int | None


def best(base: Parameters, target: float = TARGET) -> Best:
    """Find the settings that keep the time that services stand still below a target.

    Args:
        base: the site.
        target: share of time.
    """

    def meets(candidate: Parameters) -> bool:
        return closed.stopped_share(candidate) <= target

    shares = (share for share in SHARES if meets(replace(base, share=share)))
    lifetimes = (seconds for seconds in LIFETIMES if meets(replace(base, lifetime=seconds)))
    return Best(next(shares, None), next(lifetimes, None))


def recoveries(base: Parameters, rate: float) -> dict[int, list[recovery.Recovery]]:
    """Simulate the return of all nodes at once, for each of SITES and SPREADS, with one core.

    Args:
        base: gives lifetime, payloads and format.
        rate: signatures per second of a core.

    Returns: for each number of services the recoveries, one for each of SPREADS.
    """
    returns = {}
    for services in SITES:
        site = replace(
            base, nodes=services // SERVICES_PER_NODE, services=SERVICES_PER_NODE, runs=1
        )
        returns[services] = [recovery.recover(site, spread, rate) for spread in SPREADS]
    return returns


@dataclass(frozen=True)
class Study:
    """The whole study.

    Attributes:
        base: the site.
        lifetimes: from `lifetime`, one for each of LIFETIMES.
        rules: from `rules`.
        stopped: from `stopped_by_share`.
        best: from `best`, by churn.
        capacity: from `capacity.measure`.
        recoveries: from `recoveries`, by number of services.
    """

    base: Parameters
    lifetimes: list[Lifetime]
    rules: list[RuleOutcome]
    stopped: dict[float, list[float]]
    best: dict[float, Best]
    capacity: capacity.Capacity
    recoveries: dict[int, list[recovery.Recovery]]

    def as_dict(self) -> dict[str, object]:
        """Return the study for JSON."""
        return asdict(self) | {"shares": SHARES, "spreads": SPREADS, "target": TARGET}


def run(base: Parameters, progress: Progress | None = None) -> Study:
    """Make the whole study. It takes about ten seconds with the paper's parameters.

    Args:
        base: the site.
        progress: called with the share that is done, 0 .. 1.
    """
    tell = progress or (lambda _: None)
    lifetimes = [lifetime(replace(base, lifetime=seconds)) for seconds in LIFETIMES]
    tell(0.2)
    by_rule = rules(base)
    tell(0.7)
    machine = capacity.measure()
    returns = recoveries(base, machine.signatures)
    tell(1.0)
    return Study(
        base,
        lifetimes,
        by_rule,
        stopped_by_share(base),
        {churn: best(replace(base, churn=churn)) for churn in CHURNS},
        machine,
        returns,
    )


def tell(study: Study) -> list[str]:
    """Write the study as lines of text.

    Args:
        study: the study.
    """
    lines = ["lifetime s   delta bytes/s  signatures/s  seals lost per outage  time lost"]
    lines += [
        f"{row.lifetime:>10}  {row.wire_bytes['delta']:>14.4g}  {row.signatures:>12.3g}"
        f"  {row.expiring:>21.2%}  {row.stopped:>9.4%}"
        for row in study.lifetimes
    ]
    lines.append("rule            renewals per lifetime  first, later peak  seals lost per outage")
    lines += [
        f"{row.rule:<14}  {row.renewals:>21.3f}  {row.first_peak:>10.2f}, {row.later_peak:>5.2f}"
        f"  {row.expiring:>21.2%}"
        for row in study.rules
    ]
    lines.append(f"to lose at most {TARGET:.1%} of the time, by churn per second:")
    for churn, settings in study.best.items():
        share = f"a share of {settings.share / 10:g} %" if settings.share else "no share is enough"
        lines.append(f"{churn:>10.0e}  {share}; with 25 %, a lifetime of {settings.lifetime} s")
    lines.append("after a power outage: services, spread s, peak bytes/s, signatures/s, all back s")
    lines += [
        f"{services:>10}  {r.spread:>6}  {r.peak_bytes:>12}  {r.peak_signatures:>9}  {r.last:>6}"
        for services, row in study.recoveries.items()
        for r in row
    ]
    return lines
