"""The parameters of one simulation: section IV of the paper, as names with units."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sealcore.messages import MAX_LIST
from triseal.sim.errors import ParameterError

RULES = ("triseal", "early", "step-ca", "spire", "spire-polled")
RECONNECTS = ("due", "all")
COMPANIONS = ("one-draw", "own-draws", "none")
FORMATS = ("certificate", "seal", "delta")

_LONGEST = 2**31 - 1  # the draw of a renewal must fit into 63 bits, with 32 random ones


@dataclass(frozen=True)
class Parameters:
    """The parameters of one simulated site. The defaults are the paper's.

    Attributes:
        nodes: number of nodes.
        services: services on each node, at most 64: a HELLO names all of them.
        lifetime: lifetime of a site seal, seconds.
        share: share of the lifetime in which the renewal is drawn, thousandths; 0 renews at expiry.
        rule: the renewal rule, one of RULES.
        companions: the seals that a node renews together, one of COMPANIONS. "one-draw" is our
            rule: all whose window has opened, with one draw for seals that begin and end together;
            "own-draws": the same with one draw for each seal; "none": each seal by itself.
        churn: probability that an online node drops out in a given second.
        offline_min, offline_max: length of an outage, uniform, both included, seconds.
        payload_min, payload_max: bytes of grants in each service's seal, uniform.
        reconnect: the services that a returning node renews: those that are "due", or "all"
            (paper).
        format: the form of a renewal on the wire, one of FORMATS.
        duration: length of one run, seconds.
        runs: number of independent runs.
        seed: seed of the random numbers; equal parameters give equal results.
    """

    nodes: int = 15
    services: int = 30
    lifetime: int = 5000
    share: int = 250
    rule: str = "triseal"
    companions: str = "one-draw"
    churn: float = 1e-5
    offline_min: int = 1
    offline_max: int = 2500
    payload_min: int = 0
    payload_max: int = 200
    reconnect: str = "due"
    format: str = "delta"
    duration: int = 100_000
    runs: int = 20
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("nodes", "lifetime", "duration", "runs", "offline_min"):
            _within(name, getattr(self, name), 1, _LONGEST)
        _within("services", self.services, 1, MAX_LIST)  # a HELLO can't name more
        _within("share", self.share, 0, 400 if self.rule == "early" else 1000)
        _within("churn", self.churn, 0, 1)
        _within("offline_max", self.offline_max, self.offline_min, _LONGEST)
        _within("payload_min", self.payload_min, 0, 2000)
        _within("payload_max", self.payload_max, self.payload_min, 2000)
        _within("seed", self.seed, 0, 2**63 - 1)
        _one_of("rule", self.rule, RULES)
        _one_of("companions", self.companions, COMPANIONS)
        if self.companions == "own-draws":
            _one_of("rule", self.rule, RULES[:1])  # others have no window that opens
        _one_of("reconnect", self.reconnect, RECONNECTS)
        _one_of("format", self.format, FORMATS)

    @property
    def services_per_run(self) -> int:
        """The number of services of the whole site."""
        return self.nodes * self.services

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters for JSON; `Parameters(**d)` restores them."""
        return asdict(self)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ParameterError(f"{name} is {value}; it must be within {low} to {high}")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ParameterError(f"{name} is {value!r}; it must be one of {', '.join(known)}")
