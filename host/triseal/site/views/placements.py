"""The placements: which release of which service each node gets and has, and its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from triseal.site.records import ledger, reports, services, tables
from triseal.site.records.placement import Place
from triseal.site.rules import grants, guarantee


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
            was sent.
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
    why: str | None
    not_after: int | None
    restarts: int

    def as_due(self) -> bool:
        """Tell whether the due version runs, and the node has reported no error."""
        return self.state == "running" and self.version == self.due and self.why is None


def places(connection: Connection) -> list[PlaceFacts]:
    """Return every service on every node that is assigned or may still run, sorted by node.

    Args:
        connection: any transaction.
    """
    newest = _newest(connection)
    told = {
        Place(row.node, row.service): row for row in connection.execute(select(tables.holdings))
    }
    due = _due(connection)
    return [
        _place(connection, place, told.get(place), due.get(place), newest.get(place))
        for place in guarantee.places_of(connection)
    ]


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
    connection: Connection, place: Place, told: Row[Any] | None, due: str | None, until: int | None
) -> PlaceFacts:
    has = ledger.content_of(connection, told.serial) if told else None
    return PlaceFacts(
        node=place.node,
        service=place.service,
        assigned=due is not None,
        due=due,
        version=str(has.service_version) if has else None,
        grants=grants.effective(connection, place.service, place.node),
        state=told.state if told else None,
        why=_why(connection, place, told),
        not_after=until,
        restarts=told.restarts if told else 0,
    )


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


def _newest(connection: Connection) -> dict[Place, int]:
    seals = tables.seals.c
    query = select(seals.node, seals.service, func.max(seals.not_after).label("until"))
    rows = connection.execute(query.group_by(seals.node, seals.service))
    return {Place(row.node, row.service): row.until for row in rows}
