"""What became of a service on its nodes, as they told it, and waiting until they run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from triseal import database
from triseal.site import guarantee, holdings, ledger, reported, state
from triseal.site.errors import NotConfirmed
from triseal.site.ledger import Place
from triseal.site.manager import Manager
from triseal.site.sealing import Preparer

RUNNING = "running"
STEADY = 3.0  # seconds: a service that fails at once runs for a moment, too
_BROKEN = (holdings.REFUSED, "failed", "stopped")
_LOOK_EVERY = 0.2
_NAMED = 5  # nodes that a refusal names


@dataclass(frozen=True)
class Outcome:
    """What a node told of a service.

    Attributes:
        state: one of messages.STATES, "sent", or "not sent".
        due: whether it holds the seal that it shall have now.
        why: code and detail of what it reported as wrong, if that is the last that it told.
        refusal: the number of that report.
    """

    state: str
    due: bool
    why: str
    refusal: int

    @property
    def runs(self) -> bool:
        """Whether it runs what it shall run now."""
        return self.due and self.state == RUNNING

    def __str__(self) -> str:
        if self.state == RUNNING:
            return RUNNING if self.due else "outdated"
        return f"{self.state}: {self.why}" if self.why else self.state

    def broken(self, since: int) -> bool:
        """Whether it won't run what it shall run now.

        A node that goes on with what it had says "refused" of what was offered to it: so it counts
        if it was told after the report `since`.
        """
        if self.due:
            return self.state in _BROKEN
        return self.state == holdings.REFUSED and self.refusal > since


def of(connection: Connection, preparer: Preparer, place: Place) -> Outcome:
    """What a node told of a service last."""
    table = state.holdings.c
    which = (table.node == place.node) & (table.service == place.service)
    row = connection.execute(select(table.serial, table.state, table.told_at).where(which)).first()
    if row is None:
        return Outcome("not sent", False, "", 0)
    wished = guarantee.current(connection, preparer, place)
    due = wished is not None and ledger.template_of(connection, row.serial) == wished
    wrong = reported.since(connection, place, row.told_at)
    if wrong is None:
        return Outcome(row.state, due, "", 0)
    return Outcome(row.state, due, str(wrong), wrong.number)


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
            self._since = reported.last(connection)

    def look(self, on: Sequence[str]) -> dict[str, Outcome]:
        """What these nodes told, by node."""
        with database.reading(self._site.engine) as connection:
            return {
                node: of(connection, self._site.preparer, Place(node, self._service)) for node in on
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
            broken = {n: one for n, one in missing.items() if one.broken(self._since)}
            if broken or (missing and now >= end):
                self._refuse(broken or missing)
            time.sleep(_LOOK_EVERY)

    def _refuse(self, nodes: Mapping[str, Outcome]) -> None:
        told = [f"{node}: {one}" for node, one in sorted(nodes.items())[:_NAMED]]
        more = f", and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
        raise NotConfirmed(f"{self._service} on {', '.join(told)}{more}")
