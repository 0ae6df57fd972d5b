"""Settings for a site, and what they cost: the study turned into advice."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from sealcore import renewal
from triseal.sim import boxes, capacity, closed, recovery
from triseal.sim.errors import ParameterError
from triseal.sim.parameters import Parameters
from triseal.sim.traffic import Progress, simulate

MOST_SERVICES = 4_000_000  # what the simulation holds in about 2 GiB
SPREADS = (renewal.CONNECT_SPREAD, 60, 120, 300, 600, 1200, 2500, 5000, 10_000, 20_000, 43_200)
_SHARE: int = renewal.SHARE
_SHARES = range(_SHARE, 1001, 50)
_LONGER = 1.25  # step in which a longer lifetime is looked for
_BUSY = 0.7  # of its capacity is what a core or a link should be asked for at the peak
_LIFETIMES_SIMULATED = 12


@dataclass(frozen=True)
class Wish:
    """What the site's owner asks for.

    Attributes:
        nodes, services: the site, services on each node.
        change_within: longest that a change may take to reach an unreachable node, seconds.
        availability: share of time that a service runs as far as its seal is concerned.
        churn, offline_max: see Parameters.
        cores: that the SLCA may sign with.
        link: octets per second that the SLSM's link carries; None if it is no bound.
    """

    nodes: int
    services: int
    change_within: int = 5000
    availability: float = 0.999
    churn: float = 1e-5
    offline_max: int = 2500
    cores: int = 2
    link: int | None = None


@dataclass(frozen=True)
class Plan:
    """Recommended settings and what they cost.

    Attributes:
        lifetime: of a site seal, seconds: the longest that a change takes.
        share: backoff share, thousandths.
        spread: seconds over which nodes draw their first connect after boot.
        octets: per second, averages and percentiles of a simulated run, common start included.
        gigabytes_a_day: 10**9 octets of traffic.
        signatures: per second on average, and the peak; as many database writes.
        cores: busy with signing, on average.
        expiring: share of the seals on nodes that drop out which expire before they are back.
        stopped: share of time that a service stands still for it.
        database: "SQLite" or "PostgreSQL".
        recovery: the return of the whole site after a power outage.
        machine: rates of this machine that all of this builds on.
        notes: what can't be had, and what would help.
    """

    wish: Wish
    lifetime: int
    share: int
    spread: int
    octets: dict[str, float]
    gigabytes_a_day: float
    signatures: dict[str, float]
    cores: float
    expiring: float
    stopped: float
    database: str
    recovery: recovery.Recovery
    machine: capacity.Capacity
    notes: list[str]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def make(wish: Wish, progress: Progress | None = None) -> Plan:
    """Plan a site.

    Raises:
        ParameterError: a wish is out of its range.
    """
    base = _parameters(wish)
    machine = capacity.measure()
    notes: list[str] = []
    settings = replace(base, share=_share(base, wish, notes))
    back = _spread(settings, wish, machine, notes)
    traffic = simulate(settings, progress)
    signatures = float(traffic.signatures.mean())
    peak = max(float(traffic.signatures.max()), back.peak_signatures)
    average = float(traffic.octets.mean())
    return Plan(
        wish=wish,
        lifetime=settings.lifetime,
        share=settings.share,
        spread=back.spread,
        octets={"average": average} | boxes.percentiles(traffic.octets),
        gigabytes_a_day=average * 86_400 / 1e9,
        signatures={"average": signatures, "peak": peak},
        cores=signatures / machine.signatures,
        expiring=closed.expiring_share(settings),
        stopped=closed.stopped_share(settings),
        database="SQLite" if peak < _BUSY * machine.commits else "PostgreSQL",
        recovery=back,
        machine=machine,
        notes=notes,
    )


def _parameters(wish: Wish) -> Parameters:
    if wish.nodes * wish.services > MOST_SERVICES:
        raise ParameterError(f"nodes times services is more than {MOST_SERVICES}")
    if not 0 <= wish.availability < 1:
        raise ParameterError(f"availability is {wish.availability}, not from 0 to below 1")
    if wish.cores < 1 or (wish.link is not None and wish.link < 1):
        raise ParameterError("cores and link are at least 1")
    if wish.change_within < 10:
        raise ParameterError("change_within is below 10 s: no link renews that fast for long")
    return Parameters(
        nodes=wish.nodes,
        services=wish.services,
        lifetime=wish.change_within,
        churn=wish.churn,
        offline_max=wish.offline_max,
        runs=1,
        duration=min(100_000, _LIFETIMES_SIMULATED * wish.change_within),
    )


def _share(base: Parameters, wish: Wish, notes: list[str]) -> int:
    """The smallest share, from the default up, that meets the availability.

    The lifetime is the longest allowed: it costs least and outlives most.
    """
    allowed = 1 - wish.availability
    for share in _SHARES:
        if closed.stopped_share(replace(base, share=share)) <= allowed:
            return share
    lifetime: float = base.lifetime
    while closed.stopped_share(replace(base, lifetime=round(lifetime))) > allowed:
        lifetime *= _LONGER
    notes.append(
        f"availability {wish.availability:g} can't be had within {base.lifetime} s under this "
        f"churn; allow changes {round(lifetime)} s"
    )
    return _SHARE


def _spread(
    settings: Parameters, wish: Wish, machine: capacity.Capacity, notes: list[str]
) -> recovery.Recovery:
    """The shortest spread of first connects that keeps signing and the link below their limits."""
    rate = wish.cores * machine.signatures
    for spread in SPREADS:
        back = recovery.recover(settings, spread, rate)
        fits_link = wish.link is None or back.peak_octets <= _BUSY * wish.link
        if fits_link and back.peak_signatures <= max(_BUSY * rate, settings.services):
            return back
    notes.append(
        f"even spread over {spread} s the return of all nodes at once asks for "
        f"{back.peak_octets} octets/s and {back.peak_signatures} signatures/s"
    )
    return back
