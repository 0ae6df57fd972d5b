"""What became of a service on its nodes, as they told it, and waiting until they run it."""

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
STEADY = 3.0  # seconds: a service that fails at once runs for a moment, too
_ENDED = ("refused", "failed", "quarantined", "stopped")
_LOOK_EVERY = 0.2
_NAMED = 5  # nodes that a refusal names


@dataclass(frozen=True)
class Outcome:
    """What a node told of a service.

    Attributes:
        runs: it runs what it shall run now.
        broken: it won't, as it is.
        text: the same in words, with the reason if it gave one.
    """

    runs: bool
    broken: bool
    text: str


def of(connection: Connection, preparer: Preparer, place: Place, since: int) -> Outcome:
    """What a node told of a service last.

    Args:
        since: number of a report: only what came later says that what it shall run was refused.
    """
    row = holdings.find(connection, place)
    report = reports.newest(connection, place)
    if row is None:
        if report and report.number > since and report.explains_nothing_held():
            return Outcome(False, True, f"not installed: {report}")
        return Outcome(False, False, "not sent")
    said_why = report is not None and report.told_at >= row.told_at and row.state != RUNNING
    text = f"{row.state}: {report}" if said_why else str(row.state)
    wished = guarantee.current(connection, preparer, place)
    if wished is not None and ledger.template_of(connection, row.serial) == wished:
        return Outcome(row.state == RUNNING, row.state in _ENDED, text)
    if report and report.number > since and report.refuses(row.state):
        return Outcome(False, True, f"refused: {report}")
    return Outcome(False, False, "outdated" if row.state == RUNNING else text)


def _silent(running: int) -> None:
    """Nobody looks."""


class Watch:
    """Sees what nodes tell of a service from now on; made before it is changed.

    Args:
        site: the site.
        service: its name.
    """

    def __init__(self, site: Manager, service: str) -> None:
        self._site = site
        self._service = service
        with database.reading(site.engine) as connection:
            self._since = reports.last(connection)

    def look(self, on: Sequence[str]) -> dict[str, Outcome]:
        """What these nodes told, by node."""
        with database.reading(self._site.engine) as connection:
            return {
                node: of(connection, self._site.preparer, Place(node, self._service), self._since)
                for node in on
            }

    def wait(
        self,
        on: Sequence[str],
        seconds: float,
        steady: float = STEADY,
        report: Callable[[int], None] = _silent,
    ) -> None:
        """Wait until nodes run the service as they shall, and go on to run it for a while.

        Args:
            on: the nodes.
            seconds: to wait at most.
            steady: seconds that it must go on running on all of them.
            report: told on how many it runs.

        Raises:
            NotConfirmed: time is up, or a node says that the service stopped, failed or was
                refused.
        """
        end = time.monotonic() + seconds
        since: float | None = None
        while True:
            found = self.look(on)
            now = time.monotonic()
            missing = {node: one for node, one in found.items() if not one.runs}
            report(len(found) - len(missing))
            since = None if missing else since or now
            if since is not None and now - since >= steady:
                return
            broken = {n: one for n, one in missing.items() if one.broken}
            if broken or (missing and now >= end):
                self._refuse(broken or missing)
            time.sleep(_LOOK_EVERY)

    def _refuse(self, nodes: Mapping[str, Outcome]) -> None:
        told = [f"{node}: {one.text}" for node, one in sorted(nodes.items())[:_NAMED]]
        more = f", and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
        raise NotConfirmed(f"{self._service} on {', '.join(told)}{more}")
