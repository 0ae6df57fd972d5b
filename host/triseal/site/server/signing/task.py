"""What is asked at the desk, what may be seen for it, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from triseal.site.clock import Guard
from triseal.site.records.ledger import Place
from triseal.site.server.signing.desired_state import Plans
from triseal.site.server.signing.issue_cache import Known
from triseal.site.slca.authority import Authority, SignedSeal

Write = Callable[[Connection], None]


@dataclass
class Draft:
    """An answer, and what must be recorded before it leaves.

    Attributes:
        frames: to be sent, in order.
        seals: issued for it.
        writes: anything else to record.
        held: what the node will hold once it has taken the answer: serials by service, None for
            nothing.
        counts: outcomes, for the metrics.
        gave_up: name of a node that says it holds less than before; "" for none.
        revision: of the database that it was made from.
    """

    frames: list[bytes] = field(default_factory=list)
    seals: list[tuple[Place, SignedSeal]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    held: dict[str, bytes | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    gave_up: str = ""
    revision: int = 0

    def count(self, outcome: str) -> None:
        """Note one outcome."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1


@dataclass(frozen=True)
class Look:
    """What a task may see and use.

    Attributes:
        connection: a reading transaction.
        plans: what nodes should hold.
        known: what was issued last.
        slca: the SLCA; `authority` is for what is to be signed.
        now: the time, Unix seconds.
        guard: of the clock, if it has one.
    """

    connection: Connection
    plans: Plans
    known: Known
    slca: Authority
    now: int
    guard: Guard | None = None

    @property
    def authority(self) -> Authority:
        """The SLCA, to sign something; raises ClockDoubted where the time is in doubt."""
        if self.guard is not None:
            self.guard.check()
        return self.slca


Task = Callable[[Look], Draft]
