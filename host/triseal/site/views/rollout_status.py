"""The state of a service on its nodes during a rollout, and waiting until they run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from triseal import database
from triseal.site.errors import NotConfirmed
from triseal.site.manager import Manager
from triseal.site.records import holdings, ledger, reports
from triseal.site.records.placement import Place
from triseal.site.rules import guarantee
from triseal.site.rules.sealing import Preparer

RUNNING = "running"
STEADY = 3.0  # seconds; a service that fails at once also runs for a moment
_ENDED = ("refused", "failed", "quarantined", "stopped")
_LOOK_EVERY = 0.2
_NAMED = 5  # number of nodes that a refusal names


@dataclass(frozen=True)
class Outcome:
    """The state of a service on a node, as the node has reported it.

    Attributes:
        runs: whether it runs in its desired state.
        broken: whether it will not run without a change.
        text: the state in words, with the reason if the node gave one.
    """

    runs: bool
    broken: bool
    text: str


def of(connection: Connection, preparer: Preparer, place: Place, since: int) -> Outcome:
    """Return the newest reported state of a service on a node.

    Args:
        connection: any transaction.
        preparer: makes the templates of seals.
        place: the service and its node.
        since: number of a report; only later reports count as a refusal of the desired state.
    """
    row = holdings.find(connection, place)
    report = reports.newest(connection, place)
    if row is None:
        if report and report.number > since and report.explains_nothing_held():
            return Outcome(False, True, f"not installed: {report}")
        return Outcome(False, False, "not sent")
    said_why = report is not None and report.told_at >= row.told_at and row.state != RUNNING
    text = f"{row.state}: {report}" if said_why else str(row.state)
    desired = guarantee.current(connection, preparer, place)
    if desired is not None and ledger.template_of(connection, row.serial) == desired:
        return Outcome(row.state == RUNNING, row.state in _ENDED, text)
    if report and report.number > since and report.refuses(row.state):
        return Outcome(False, True, f"refused: {report}")
    return Outcome(False, False, "outdated" if row.state == RUNNING else text)


def _silent(running: int) -> None:
    """Report nothing."""


class Watch:
    """Watches a service on its nodes, from a moment before the service is changed.

    Args:
        site: the site.
        service: name of the service.
    """

    def __init__(self, site: Manager, service: str) -> None:
        self._site = site
        self._service = service
        with database.reading(site.engine) as connection:
            self._since = reports.last(connection)

    def look(self, on: Sequence[str]) -> dict[str, Outcome]:
        """Return the state of the service by node.

        Args:
            on: names of the nodes.
        """
        with database.reading(self._site.engine) as connection:
            return {
                node: of(connection, self._site.preparer, Place(node, self._service), self._since)
                for node in on
            }

    def started(self, node: str, seconds: float) -> bool:
        """Wait until a node runs the service, and tell whether it does.

        Args:
            node: name of the node.
            seconds: time to wait at most.

        Raises:
            NotConfirmed: the node has reported that the service stopped, failed or was refused.
        """
        end = time.monotonic() + seconds
        while True:
            outcomes = self.look([node])
            if outcomes[node].broken:
                self._refuse(outcomes)
            if outcomes[node].runs or time.monotonic() >= end:
                return outcomes[node].runs
            time.sleep(_LOOK_EVERY)

    def wait(
        self,
        on: Sequence[str],
        seconds: float,
        steady: float = STEADY,
        report: Callable[[int], None] = _silent,
    ) -> None:
        """Wait until nodes run the service in its desired state, without interruption for a while.

        Args:
            on: names of the nodes.
            seconds: time to wait at most.
            steady: seconds for which it must run on all of them without interruption.
            report: called with the number of nodes on which it runs.

        Raises:
            NotConfirmed: the time is up, or a node has reported that the service stopped, failed or
                was refused.
        """
        end = time.monotonic() + seconds
        since: float | None = None
        while True:
            outcomes = self.look(on)
            now = time.monotonic()
            missing = {node: outcome for node, outcome in outcomes.items() if not outcome.runs}
            report(len(outcomes) - len(missing))
            since = None if missing else since or now
            if since is not None and now - since >= steady:
                return
            broken = {node: outcome for node, outcome in missing.items() if outcome.broken}
            if broken or (missing and now >= end):
                self._refuse(broken or missing)
            time.sleep(_LOOK_EVERY)

    def _refuse(self, nodes: Mapping[str, Outcome]) -> None:
        told = [f"{node}: {outcome.text}" for node, outcome in sorted(nodes.items())[:_NAMED]]
        more = f", and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
        raise NotConfirmed(f"{self._service} on {', '.join(told)}{more}")
