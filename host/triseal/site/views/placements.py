"""Which release of which service each node gets, which it has, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from triseal.site.records import ledger, reports, services, tables
from triseal.site.records.placement import Place
from triseal.site.rules import grants, guarantee


@dataclass(frozen=True)
class PlaceFacts:
    """A service on a node: what it may do, what the node told, and how long its seals last.

    Attributes:
        assigned: False where the service was taken away, and seals of it may still live.
        due: the version that the node gets; None if the service was taken away.
        version: what it holds, as it told; None before it told anything.
        state: as the node told it, "sent" before it told anything; None if no seal went out.
        why: code and detail of what the node reported as wrong, if that is the last that it told,
            or why it refused what it shall have.
        not_after: of the newest seal, Unix seconds; None if there was none.
        restarts: how often the node has started it again since it booted.
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


def places(connection: Connection) -> list[PlaceFacts]:
    """Every service on every node, assigned or not quite gone, by node."""
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
    """The versions of `releases`, by place, or `others`."""
    found = connection.execute(select(tables.releases)).all()
    packages = {row.package for row in found}
    version = {package: services.version_of(connection, package) for package in packages}
    return {Place(row.node, row.service): version[row.package] for row in found}


def others(service: str) -> Place:
    """All nodes that have nothing of their own in `releases`."""
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
    if told is None:  # it holds nothing: why it did not install what left for it
        since = ledger.newest_begin(connection, place)
        return str(report) if report.explains_nothing_held() and report.told_at >= since else None
    said_last = report.told_at >= told.told_at
    return str(report) if said_last or reports.held_on(connection, place) else None


def _due(connection: Connection) -> dict[Place, str]:
    """The version that each assigned place gets."""
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
