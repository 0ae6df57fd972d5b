"""The state of a service on its nodes during a rollout, and waiting until they run it steadily."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from sealcore.errors import FellBack
from triseal import database
from triseal.choices import SOAK
from triseal.site.errors import NotConfirmed
from triseal.site.manager import Manager
from triseal.site.records import holdings, ledger, nodes, releases, reports, services
from triseal.site.records.placement import Place
from triseal.site.records.reports import Report
from triseal.site.rules import guarantee
from triseal.site.rules.sealing import Preparer

RUNNING = holdings.RUNNING
_ENDED = ("refused", "failed", "quarantined", "stopped")
_FELL = FellBack.code
_LOOK_EVERY = 0.2
_NAMED = 5  # number of nodes that a refusal names


@dataclass(frozen=True)
class Outcome:
    """The state of a service on a node, as the node has reported it.

    Attributes:
        runs: whether it runs in its desired state.
        broken: whether it will not run without a change.
        text: the state in words, with the reason if the node gave one.
        falls: how often the service has fallen, see `holdings`.
    """

    runs: bool
    broken: bool
    text: str
    falls: int = 0


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
    due = report is not None and not _is_old(connection, place, report)
    new = due and report is not None and report.number > since
    # It tries the same once more only after a `restart`, so this may be why nothing happens.
    given_up = f"given up before: {report}" if due and report and report.code == _FELL else ""
    if row is None:
        if report and new and report.explains_nothing_held():
            return Outcome(False, True, f"not installed: {report}")
        return Outcome(False, False, given_up or "not sent")
    said_why = report is not None and report.told_at >= row.told_at and row.state != RUNNING
    text = f"{row.state}: {report}" if said_why else str(row.state)
    desired = guarantee.current(connection, preparer, place)
    if desired is not None and ledger.template_of(connection, row.serial) == desired:
        return Outcome(row.state == RUNNING, row.state in _ENDED, text, row.falls)
    if report and new and report.refuses(row.state):
        return Outcome(False, True, f"refused: {report}")
    return Outcome(False, False, given_up or ("outdated" if row.state == RUNNING else text))


def _is_old(connection: Connection, place: Place, report: Report) -> bool:
    """Tell whether a node says why it gave up a version that it need not have any more: it may come
    to say so only after the next version was rolled out."""
    if report.code != _FELL or not services.is_assigned(connection, place):
        return False
    newest = services.get(connection, place.service).package
    due = releases.due(connection, place, newest)
    return report.is_of_another(services.version_of(connection, due))


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
        self._falls: dict[str, int] = {}  # of each node when it was first seen to run
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
        soak: float = SOAK,
        report: Callable[[int], None] = _silent,
    ) -> None:
        """Wait until nodes run the service in its desired state, and then until the soak is over.

        Once a node has run the service, a fall there ends the wait: the service stopped or was
        started again, or the node was reset.

        Args:
            on: names of the nodes.
            seconds: time to wait at most until all of them run it.
            soak: seconds, by the clock of the site, for which it must then run on all of them.
            report: called with the number of nodes on which it runs.

        Raises:
            NotConfirmed: the time is up, a node has reported that the service stopped, failed or
                was refused, or it has fallen.
        """
        end = time.monotonic() + seconds
        began: int | None = None
        while True:
            outcomes = self.look(on)
            missing = {node: outcome for node, outcome in outcomes.items() if not outcome.runs}
            report(len(outcomes) - len(missing))
            self._check(outcomes)
            if missing:
                began = None
                if time.monotonic() >= end:
                    self._refuse(missing)
            else:
                began = self._site.time() if began is None else began
                if self._site.time() - began >= soak:
                    return
            time.sleep(_LOOK_EVERY)

    def _check(self, outcomes: Mapping[str, Outcome]) -> None:
        """Raise NotConfirmed if the service is broken on a node, or has fallen there."""
        bad = {node: outcome for node, outcome in outcomes.items() if outcome.broken}
        for node, outcome in outcomes.items():
            if outcome.runs:
                self._falls.setdefault(node, outcome.falls)
            if outcome.falls != self._falls.get(node, outcome.falls):
                bad[node] = replace(outcome, text=self._why(node, outcome))
        if bad:
            self._refuse(bad)

    def _why(self, node: str, outcome: Outcome) -> str:
        """Return in words how the service has fallen on a node."""
        with database.reading(self._site.engine) as connection:
            report = reports.newest(connection, Place(node, self._service))
            cause = nodes.get(connection, node).reset_cause
        if report is not None and report.number > self._since:
            said = str(report)
        else:
            said = f"no error was reported; the last reset of the node: {cause or 'unknown'}"
        now = "it runs again" if outcome.runs else outcome.text.partition(":")[0]
        return f"it ran and fell ({said}); now {now}"

    def _refuse(self, outcomes: Mapping[str, Outcome]) -> None:
        told = [f"{node}: {outcome.text}" for node, outcome in sorted(outcomes.items())[:_NAMED]]
        more = f", and {len(outcomes) - _NAMED} more" if len(outcomes) > _NAMED else ""
        raise NotConfirmed(f"{self._service} on {', '.join(told)}{more}")
