"""The placements: which release of which service each node gets and has, and its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from sealcore.errors import SealError
from triseal.choices import MAX_LIFETIME
from triseal.site.records import (
    holdings,
    ledger,
    losses,
    node_clocks,
    reports,
    services,
    tables,
)
from triseal.site.records.node_clocks import Lag
from triseal.site.records.placement import Place
from triseal.site.records.reports import Report
from triseal.site.rules import grants, guarantee, trust
from triseal.site.slca.authority import Issuer

ENDED = "ended"


class PlaceFacts(NamedTuple):
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
        why: code and detail of the reason why the site does not seal the service any more, or else
            of an error that the node reported, if that is its newest report, or of the node's
            refusal of the desired state.
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


@dataclass(frozen=True)
class _Records:
    """What the database knows about all places: one query for each attribute.

    Attributes:
        ends: the end of the newest seal, Unix seconds, of all places; None if there is no seal.
        begins: the newest begin of a seal, Unix seconds, of each place with a report.
        told: the row of `holdings`, and the version that the node has reported.
        due: the version that the place gets.
        reports: the newest report.
        lags: the lateness of the clock, by node.
        lost: end and validity of seals that a restored database may have lost, by node.
        lasting: names of packages that run on after the end of their seals.
        granted: a function that returns the grants of a service on a node.
    """

    ends: dict[Place, int | None]
    begins: dict[Place, int]
    told: dict[Place, tuple[Row[Any], str | None]]
    due: dict[Place, str]
    reports: dict[Place, Report]
    lags: dict[str, Lag]
    lost: dict[str, tuple[int, int]]
    lasting: frozenset[str]
    granted: Callable[[str, str], tuple[str, ...]]


def places(connection: Connection, issuer: Issuer, now: int) -> list[PlaceFacts]:
    """Return every service on every node that is assigned or may still run, sorted by node.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        now: the time, Unix seconds.
    """
    known = _read(connection, now)
    retired = set(
        connection.scalars(
            select(tables.nodes.c.name).where(tables.nodes.c.retired_at.is_not(None))
        )
    )
    unsealed = _unsealed(connection, issuer)
    found = [
        _place(connection, known, place, now)
        for place in sorted(known.ends)
        if place.node not in retired or not _has_ended(connection, known, place, now)
    ]
    if not unsealed:
        return found
    return [one._replace(why=unsealed.get(Place(one.node, one.service), one.why)) for one in found]


def _read(connection: Connection, now: int) -> _Records:
    return _Records(
        ends=ledger.newest_ends(connection, guarantee.all_places()),
        begins=ledger.newest_begins(connection, reports.all_places()),
        told=ledger.held(connection),
        due=_due(connection),
        reports=reports.newest_of_all(connection),
        lags=node_clocks.of_all(connection),
        lost=losses.unheard(connection, now),
        lasting=frozenset(services.lasting(connection)),
        granted=grants.effective_everywhere(connection),
    )


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


def _place(connection: Connection, known: _Records, place: Place, now: int) -> PlaceFacts:
    told, version = known.told.get(place, (None, None))
    state = told.state if told else None
    ends = state and state != holdings.SENT and place.service not in known.lasting
    if ends and _has_ended(connection, known, place, now):
        state = ENDED
    due = known.due.get(place)
    return PlaceFacts(
        node=place.node,
        service=place.service,
        assigned=due is not None,
        due=due,
        version=version,
        grants=known.granted(place.service, place.node),
        state=state,
        heard_at=(told.told_at or None) if told else None,
        why=_why(known, place, told),
        not_after=known.ends.get(place),
        restarts=told.restarts if told else 0,
    )


def _has_ended(connection: Connection, known: _Records, place: Place, now: int) -> bool:
    """Tell whether no seal of a place is valid any more, also by a node's clock that is late."""
    end = known.ends.get(place)
    lag = known.lags.get(place.node, Lag())
    if place.node in known.lost:
        until, lifetime = known.lost[place.node]
        if now <= until + lag.adds(until, lifetime):
            return False
    if end is None:
        return True
    # These two spare a query for most places.
    if now <= end:
        return False
    if now > end + lag.adds(end, MAX_LIFETIME):
        return True
    end, lifetime = ledger.newest_expiry(connection, place)
    return now > end + lag.adds(end, lifetime)


def _why(known: _Records, place: Place, told: Row[Any] | None) -> str | None:
    report = known.reports.get(place)
    if report is None:
        return None
    about_the_newest_seal = report.told_at >= known.begins[place]
    if told is None:  # the node holds nothing: say why it did not install what was sent
        explains = report.explains_nothing_held() and about_the_newest_seal
    else:  # it said so last, or it still refuses all newer seals than the one that it holds
        refuses = report.refuses(told.state) and about_the_newest_seal
        explains = report.told_at >= told.told_at or refuses
    return str(report) if explains else None


def _due(connection: Connection) -> dict[Place, str]:
    """Return the version that each assigned place gets."""
    instead = held(connection)
    table = tables.services.c
    query = select(tables.assignments.c.node, table.name, table.service_version)
    due = {}
    for node, service, newest in connection.execute(query.join(tables.services)).all():
        place = Place(node, service)
        due[place] = instead.get(place) or instead.get(others(service)) or newest
    return due


def _unsealed(connection: Connection, issuer: Issuer) -> dict[Place, str]:
    """Return the assigned places whose package the site does not trust, with the reason."""
    table = tables.services.c
    rows = connection.execute(select(table.name, table.package))
    newest = {row.name: bytes(row.package) for row in rows}
    reasons = {}
    held_back = connection.execute(select(tables.releases)).all()
    instead = {Place(row.node, row.service): bytes(row.package) for row in held_back}
    for package in {*newest.values(), *instead.values()}:
        try:
            trust.check_package(connection, issuer, package)
        except SealError as refusal:
            reasons[package] = f"{refusal.code}: {refusal}"
    if not reasons:
        return {}
    query = select(tables.assignments.c.node, tables.assignments.c.service)
    found = {}
    for row in connection.execute(query):
        place = Place(row.node, row.service)
        package = instead.get(place) or instead.get(others(row.service)) or newest[row.service]
        if package in reasons:
            found[place] = reasons[package]
    return found
