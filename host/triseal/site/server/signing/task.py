"""The three types of the signing pipeline: a task, the snapshot that it reads, its answer."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field

from sqlalchemy import Connection

from triseal.site.clock import Guard
from triseal.site.records import node_clocks, revision
from triseal.site.records.placement import Place
from triseal.site.server.signing.desired_state import DesiredState
from triseal.site.server.signing.differences import Differences
from triseal.site.server.signing.issue_cache import IssueCache
from triseal.site.slca.authority import Authority, SignedSeal

Write = Callable[[Connection], None]
GONE = "gone"


@dataclass(frozen=True)
class Told:
    """A message of a node about a service that the site has given to it.

    Attributes:
        place: the service and its node.
        before: the state that the node reported before, or `holdings.SENT`; None for none.
        after: the state that it reports now, or GONE if it does not name the service any more.
        code, detail: the reason that it gave, or "".
        restarted: number of restarts since its last report.
        fell_back: whether it refused a seal and goes on with the one before.
    """

    place: Place
    before: str | None
    after: str
    code: str = ""
    detail: str = ""
    restarted: int = 0
    fell_back: bool = False


@dataclass
class Answer:
    """The answer to one request, and everything that must be recorded before it is sent.

    Attributes:
        frames: the frames to send, in order.
        seals: the site seals that were signed for this answer.
        writes: functions that record anything else, each called with a writing transaction.
        clocks: the times that the node says it has.
        held: the serials, by service, that the node will hold after it has taken the answer; None
            for a service that it will not hold.
        counts: number of outcomes by name, for the metrics.
        told: what the node has said about its services; see `server.events`.
        refused: the services for which the node gets no seal, each with the code of the reason.
        gave_up: name of a node that reported that it holds less than before, or "".
        services: the services that decided the answer, besides the node itself; None for all
            services of the node.
        revision: revision of the database that the answer was made from.
        node: name of the node that the answer is for; "" if it depends on the whole site.
    """

    frames: list[bytes] = field(default_factory=list)
    seals: list[tuple[Place, SignedSeal]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    clocks: list[node_clocks.Said] = field(default_factory=list)
    held: dict[str, bytes | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    refused: list[tuple[Place, str]] = field(default_factory=list)
    gave_up: str = ""
    services: Set[str] | None = None
    revision: int = 0
    node: str = ""

    def count(self, outcome: str) -> None:
        """Add one to the count of an outcome.

        Args:
            outcome: name of the outcome, as the metrics show it.
        """
        self.counts[outcome] = self.counts.get(outcome, 0) + 1

    def depends_on(self, changed: Place) -> bool:
        """Tell whether a change of the site may change this answer.

        Args:
            changed: the changed place, as `revision.changed` returns it.
        """
        if not self.node:
            return True
        if changed.node not in (revision.EVERY, self.node):
            return False
        any_service = changed.service == revision.EVERY or self.services is None
        return any_service or changed.service in (self.services or ())


@dataclass(frozen=True)
class Snapshot:
    """The state of the site at one moment, as a task may read it.

    Attributes:
        connection: a reading transaction.
        desired: the desired state of all nodes.
        issue_cache: the newest seals that this process issued.
        differences: the differences between packages that this process computed.
        slca: the SLCA. A task that signs takes `authority` instead, which checks the clock.
        now: the time, Unix seconds.
        guard: the guard of the clock, or None if nothing checks the clock.
    """

    connection: Connection
    desired: DesiredState
    issue_cache: IssueCache
    differences: Differences
    slca: Authority
    now: int
    guard: Guard | None = None

    @property
    def authority(self) -> Authority:
        """The SLCA, for signing. Raises ClockDoubted while the clock is in doubt."""
        if self.guard is not None:
            self.guard.check()
        return self.slca


Task = Callable[[Snapshot], Answer]
