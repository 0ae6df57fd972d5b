"""The placements: which release of which service each node gets and has, and its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from triseal.site.records import holdings, ledger, node_clocks, reports, services, tables
from triseal.site.records.placement import Place
from triseal.site.rules import grants, guarantee

ENDED = "ended"


class _Newest(NamedTuple):
    """The end of the newest seal of a place, Unix seconds, and the longest validity, seconds."""

    not_after: int
    lifetime: int


@dataclass(frozen=True)
class PlaceFacts:
    """A service on a node: its grants, the observed state, and the end of its seals.

    Attributes:
        node: name of the node.
        service: name of the service.
        assigned: False if the service was taken away but a seal of it may still be valid.
        due: the version that the node gets; None if the service was taken away.
        version: the version that the node has reported; None before it reported one.
        grants: the grants, sorted.
        state: the state that the node has reported, "sent" before it reported one; None if no seal
            was sent. ENDED once the last seal that the node can have is no longer valid: then the
            service does not run, whatever the node said before.
        heard_at: when the node reported this state, Unix seconds; None before it reported one.
        why: code and detail of an error that the node reported, if that is its newest report, or of
            its refusal of the desired state.
        not_after: end of the newest seal, Unix seconds; None if there was none.
        restarts: how often the node has restarted the service since the node booted.
    """

    node: str
    service: str
    assigned: bool
    due: str | None
    version: str | None
    grants: tuple[str, ...]
    state: str | None
    heard_at: int | None
    why: str | None
    not_after: int | None
    restarts: int

    def as_due(self) -> bool:
        """Tell whether the due version runs, and the node has reported no error."""
        return self.state == "running" and self.version == self.due and self.why is None


def places(connection: Connection, now: int) -> list[PlaceFacts]:
    """Return every service on every node that is assigned or may still run, sorted by node.

    Args:
        connection: any transaction.
        now: the time, Unix seconds.
    """
    newest = _newest(connection)
    retired = set(
        connection.scalars(
            select(tables.nodes.c.name).where(tables.nodes.c.retired_at.is_not(None))
        )
    )
    told = {
        Place(row.node, row.service): row for row in connection.execute(select(tables.holdings))
    }
    versions = _due(connection)
    return [
        _place(connection, place, told.get(place), versions.get(place), newest.get(place), now)
        for place in guarantee.places_of(connection)
        if place.node not in retired or not _has_ended(connection, place, newest.get(place), now)
    ]


def due(connection: Connection, place: Place) -> str | None:
    """Return the version that a place gets, or None if the service is not assigned to the node.

    Args:
        connection: any transaction.
        place: the service and its node.
    """
    return _due(connection).get(place)


def held(connection: Connection) -> dict[Place, str]:
    """Return the versions of `releases` by place, or by `others`.

    Args:
        connection: any transaction.
    """
    rows = connection.execute(select(tables.releases)).all()
    packages = {row.package for row in rows}
    version = {package: services.version_of(connection, package) for package in packages}
    return {Place(row.node, row.service): version[row.package] for row in rows}


def others(service: str) -> Place:
    """Return the key of all nodes that have no row of their own in `releases`.

    Args:
        service: name of the service.
    """
    return Place(tables.EVERY_NODE, service)


def _place(
    connection: Connection,
    place: Place,
    told: Row[Any] | None,
    due: str | None,
    newest: _Newest | None,
    now: int,
) -> PlaceFacts:
    has = ledger.content_of(connection, told.serial) if told else None
    state = told.state if told else None
    if state and state != holdings.SENT and _has_ended(connection, place, newest, now):
        state = ENDED
    return PlaceFacts(
        node=place.node,
        service=place.service,
        assigned=due is not None,
        due=due,
        version=str(has.service_version) if has else None,
        grants=grants.effective(connection, place.service, place.node),
        state=state,
        heard_at=(told.told_at or None) if told else None,
        why=_why(connection, place, told),
        not_after=newest.not_after if newest else None,
        restarts=told.restarts if told else 0,
    )


def _has_ended(connection: Connection, place: Place, newest: _Newest | None, now: int) -> bool:
    """Tell whether no seal of a place is valid any more, also by a node's clock that is late."""
    if newest is None:
        return True
    if now <= newest.not_after:  # spares a query for most places
        return False
    lag = node_clocks.of(connection, place.node)
    return now > newest.not_after + lag.adds(newest.not_after, newest.lifetime)


def _why(connection: Connection, place: Place, told: Row[Any] | None) -> str | None:
    report = reports.newest(connection, place)
    if report is None:
        return None
    if told is None:  # the node holds nothing: say why it did not install what was sent
        since = ledger.newest_begin(connection, place)
        return str(report) if report.explains_nothing_held() and report.told_at >= since else None
    said_last = report.told_at >= told.told_at
    return str(report) if said_last or reports.held_on(connection, place) else None


def _due(connection: Connection) -> dict[Place, str]:
    """Return the version that each assigned place gets."""
    instead = held(connection)
    table = tables.services.c
    query = select(tables.assignments.c.node, table.name, table.service_version)
    due = {}
    for row in connection.execute(query.join(tables.services)):
        place = Place(row.node, row.name)
        due[place] = instead.get(place) or instead.get(others(row.name)) or row.service_version
    return due


def _newest(connection: Connection) -> dict[Place, _Newest]:
    seals = tables.seals.c
    longest = func.max(seals.not_after - seals.not_before).label("lifetime")
    query = select(seals.node, seals.service, func.max(seals.not_after).label("until"), longest)
    rows = connection.execute(query.group_by(seals.node, seals.service))
    return {Place(row.node, row.service): _Newest(row.until, row.lifetime) for row in rows}
