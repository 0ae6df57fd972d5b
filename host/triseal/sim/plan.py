"""Recommended settings for a site and their costs: the study, turned into advice."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from sealcore import renewal
from triseal.sim import boxes, capacity, closed, recovery
from triseal.sim.errors import ParameterError
from triseal.sim.parameters import Parameters
from triseal.sim.traffic import Progress, simulate

MOST_SERVICES = 4_000_000  # the simulation then needs about 2 GiB of memory
SPREADS = (renewal.CONNECT_SPREAD, 60, 120, 300, 600, 1200, 2500, 5000, 10_000, 20_000, 43_200)
_LONGER = 1.25  # factor between two lifetimes when a longer one is searched
_BUSY = 0.7  # share of its capacity that a core or a link may need at the peak
_LIFETIMES_SIMULATED = 12


@dataclass(frozen=True)
class Wish:
    """The requirements of the site's owner.

    Attributes:
        nodes: number of nodes.
        services: services on each node.
        change_within: longest time that a change may take to reach an unreachable node, seconds.
        availability: share of time in which a service must have a valid seal.
        churn, offline_max: as in Parameters.
        cores: number of cores that the SLCA may sign with.
        link: bytes per second that the SLSM's link carries; None if it is not a limit.
    """

    nodes: int
    services: int
    change_within: int = 5000
    availability: float = 0.998
    churn: float = 1e-5
    offline_max: int = 2500
    cores: int = 2
    link: int | None = None


@dataclass(frozen=True)
class Plan:
    """Recommended settings and their costs.

    Attributes:
        wish: the requirements.
        lifetime: lifetime of a site seal, seconds: the longest time that a change takes.
        spread: seconds over which nodes draw their first connect after boot.
        wire_bytes: bytes per second, average and percentiles of a simulated run with one start.
        gigabytes_a_day: traffic, 10**9 bytes a day.
        signatures: signatures per second, average and peak; the database needs as many writes.
        cores: number of cores that are busy with signing, on average.
        expiring: share of the seals on a node in an outage that expire before it is back.
        stopped: share of time that a service stands still for this reason.
        database: "SQLite" or "PostgreSQL".
        recovery: the return of the whole site after a power outage.
        machine: the rates of this machine, on which the plan is based.
        notes: requirements that can't be met, and what would help.
    """

    wish: Wish
    lifetime: int
    spread: int
    wire_bytes: dict[str, float]
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
        """Return the plan for JSON."""
        return asdict(self)


def make(wish: Wish, progress: Progress | None = None) -> Plan:
    """Plan a site.

    Args:
        wish: the requirements.
        progress: called with the share that is done, 0 .. 1.

    Raises:
        ParameterError: a requirement is out of its range.
    """
    settings = _parameters(wish)
    machine = capacity.measure()
    notes: list[str] = []
    _check_availability(settings, wish, notes)
    back = _spread(settings, wish, machine, notes)
    traffic = simulate(settings, progress)
    signatures = float(traffic.signatures.mean())
    peak = max(float(traffic.signatures.max()), back.peak_signatures)
    average = float(traffic.wire_bytes.mean())
    return Plan(
        wish=wish,
        lifetime=settings.lifetime,
        spread=back.spread,
        wire_bytes={"average": average} | boxes.percentiles(traffic.wire_bytes),
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
        raise ParameterError(f"availability is {wish.availability}; it must be from 0 to below 1")
    if wish.cores < 1 or (wish.link is not None and wish.link < 1):
        raise ParameterError("cores and link must be at least 1")
    if wish.change_within < 10:
        raise ParameterError("change_within must be at least 10 s: no link renews faster for long")
    return Parameters(
        nodes=wish.nodes,
        services=wish.services,
        lifetime=wish.change_within,
        churn=wish.churn,
        offline_max=wish.offline_max,
        runs=1,
        duration=min(100_000, _LIFETIMES_SIMULATED * wish.change_within),
    )


def _check_availability(base: Parameters, wish: Wish, notes: list[str]) -> None:
    """Note what would help if seals expire in outages for too much of the time.

    The lifetime is the longest allowed one: it costs least, and fewest seals expire in outages. The
    window of renewals is built into the nodes.
    """
    allowed = 1 - wish.availability
    lifetime: float = base.lifetime
    while closed.stopped_share(replace(base, lifetime=round(lifetime))) > allowed:
        lifetime *= _LONGER
    if lifetime > base.lifetime:
        notes.append(
            f"availability {wish.availability:g} can't be reached within {base.lifetime} s with "
            f"this churn; allow changes to take {round(lifetime)} s"
        )


def _spread(
    settings: Parameters, wish: Wish, machine: capacity.Capacity, notes: list[str]
) -> recovery.Recovery:
    """Find the shortest spread of first connects that keeps signing and the link below a limit."""
    rate = wish.cores * machine.signatures
    for spread in SPREADS:
        back = recovery.recover(settings, spread, rate)
        fits_link = wish.link is None or back.peak_bytes <= _BUSY * wish.link
        if fits_link and back.peak_signatures <= max(_BUSY * rate, settings.services):
            return back
    notes.append(
        f"even with a spread of {spread} s the return of all nodes at once needs "
        f"{back.peak_bytes} bytes/s and {back.peak_signatures} signatures/s"
    )
    return back
