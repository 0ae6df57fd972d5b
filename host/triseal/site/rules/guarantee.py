"""The guarantee of a change: where it is in force, and when at the latest it will be elsewhere.

A node that nobody can reach stops a service when its seal expires. Every change is therefore
bounded by the newest expiry of the seals of the old state (Pahl and Donini 2018, section III.D).
The node checks expiry with its own clock, which may be late: see `node_clocks`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, Subquery, select, union

from sealcore import errors
from triseal.site.errors import NodeRetired, NotAssigned, NotEnrolled
from triseal.site.records import (
    holdings,
    ledger,
    losses,
    node_clocks,
    nodes,
    reports,
    services,
    tables,
)
from triseal.site.records.placement import Place
from triseal.site.rules import trust
from triseal.site.rules.sealing import Preparer, wanted
from triseal.site.slca.authority import Issuer


@dataclass(frozen=True)
class Guarantee:
    """Where a change is in force, and when it will be elsewhere.

    Attributes:
        confirmed: nodes where it is in force: they have said so, or they never got a seal of the
            old state.
        waiting: for each other node the last second, Unix time, in which the old state can still
            hold.
        ended: nodes that have not confirmed, but whose last seal of the old state has expired.
        clocks: for each node in `waiting` the seconds of that time that are for its clock, which
            may be behind the site's, as the node has said, and slow.
        grace: for each node that has not confirmed and may run services after a power loss before
            it knows the time (`triseal node provision --grace`), the number of seconds. The old
            state can hold for so long once more there, whenever the power comes back.
        lasting: whether it is an agent, which runs on after the end of its seal: the nodes in
            `waiting` keep the old one until they take the new one, whatever time stands there.
    """

    confirmed: tuple[str, ...]
    waiting: dict[str, int]
    grace: dict[str, int] = field(default_factory=dict)
    ended: tuple[str, ...] = ()
    clocks: dict[str, int] = field(default_factory=dict)
    lasting: bool = False

    def silent(self, nodes: Collection[str]) -> Guarantee:
        """Return the same, but with some of the confirmed nodes as silent: they said nothing.

        Args:
            nodes: the names of these nodes, and perhaps of others that are not confirmed.
        """
        added = set(nodes) - self.waiting.keys() - self.grace.keys()
        return replace(
            self,
            confirmed=tuple(node for node in self.confirmed if node not in added),
            ended=tuple(sorted({*self.ended, *added})),
        )

    @property
    def nodes(self) -> list[str]:
        """The names of all nodes that the change concerns, sorted."""
        return sorted({*self.confirmed, *self.waiting, *self.grace, *self.ended})

    @property
    def by(self) -> int | None:
        """The last second in which the old state can hold anywhere; None if it ended everywhere, or
        if nothing ends it."""
        return None if self.lasting else max(self.waiting.values(), default=None)


def of(
    connection: Connection,
    preparer: Preparer,
    places: Iterable[Place],
    now: int,
    step: int = 0,
    on: Collection[str] | None = None,
) -> Guarantee:
    """Compute how far nodes are with the present state of some places.

    Args:
        connection: any transaction.
        preparer: makes the templates of seals.
        places: the places that a change concerns.
        now: the time, Unix seconds.
        step: seconds by which the clock was set forward since the site last noted it, see `clock`.
        on: names of the nodes that the change may concern besides those of the places, if the
            database has lost a place; None for all nodes.
    """
    places = tuple(places)
    found = [(place.node, _outstanding(connection, preparer, place)) for place in places]
    made = summed(connection, [*found, *_lost(connection, now, on)], now, step)
    if not places or {place.service for place in places} - services.lasting(connection).keys():
        return made
    waiting = {**made.waiting, **dict.fromkeys((*made.ended, *made.grace), now)}
    return Guarantee(made.confirmed, dict(sorted(waiting.items())), lasting=True)


def _lost(
    connection: Connection, now: int, on: Collection[str] | None = None
) -> list[tuple[str, tuple[int, int]]]:
    """Compute until when nodes may hold seals that a restored database has lost, see `losses`."""
    found = []
    for node, (until, lifetime) in losses.unheard(connection, now).items():
        adds = node_clocks.of(connection, node).adds(until, lifetime)
        if (on is None or node in on) and until + adds >= now:
            found.append((node, (until, adds)))
    return found


def of_bundle(
    connection: Connection, preparer: Preparer, version: int, now: int, step: int = 0
) -> Guarantee:
    """Compute until when nodes can run services that the newest trust bundle does not trust.

    A node with the bundle refuses them. The site does not seal them any more, so that they end on
    every other node too, even on one that is connected but can't store the bundle.

    Args:
        connection: any transaction.
        preparer: makes the templates of seals.
        version: the version of the bundle, or a later one.
        now: the time, Unix seconds.
        step: as for `of`.
    """
    have = with_bundle(connection, preparer.issuer, version)
    found = [
        (place.node, (0, 0) if place.node in have else _distrusted(connection, preparer, place))
        for place in places_of(connection)
    ]
    lost = [entry for entry in _lost(connection, now) if entry[0] not in have]
    return summed(connection, [*found, *lost], now, step)


def with_bundle(connection: Connection, issuer: Issuer, version: int) -> set[str]:
    """Return the names of the nodes that have confirmed a trust bundle, retired ones included.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        version: the version of the bundle, or a later one.
    """
    table = tables.nodes.c
    ours = trust.marks(connection, issuer, version)
    query = select(table.name, table.bundle_version, table.bundle_mark)
    return {
        row.name
        for row in connection.execute(query.where(table.bundle_version >= version))
        if row.bundle_version in ours and row.bundle_mark in (None, ours[row.bundle_version])
    }


def told_template(connection: Connection, place: Place) -> bytes | None:
    """Return the digest of the template of the seal that a node has said it holds.

    Args:
        connection: any transaction.
        place: the service and its node.

    Returns: 32 bytes, b"" for a seal that the ledger does not know; None if the node got no seal.
    """
    serial = holdings.serial(connection, place)
    return None if serial is None else ledger.template_of(connection, serial) or b""


def _distrusted(connection: Connection, preparer: Preparer, place: Place) -> tuple[int, int]:
    """Compute as `_outstanding` when the last seal of a package that is not trusted ends."""
    if holdings.serial(connection, place) is None:
        return 0, 0
    until = lifetime = 0
    for package, templates in ledger.templates_by_package(connection, place).items():
        try:
            trust.check_package(connection, preparer.issuer, package)
        except errors.SealError:
            ends, lasts = ledger.newest_expiry(connection, place, only=templates)
            until, lifetime = max(until, ends), max(lifetime, lasts)
    return until, node_clocks.of(connection, place.node).adds(until, lifetime) if until else 0


def summed(
    connection: Connection, found: Iterable[tuple[str, tuple[int, int]]], now: int, step: int
) -> Guarantee:
    """Put the ends on all places together.

    Args:
        connection: any transaction.
        found: for each place its node, when the old state ends there (Unix seconds, 0 if it has
            ended), and the part of that time that is for the clock of the node.
        now: the time, Unix seconds.
        step: as for `of`.
    """
    ends: dict[str, tuple[int, int]] = {}  # by node: the last end, and the part for its clock
    for node, (until, adds) in found:
        late = adds + step if until else adds
        ends[node] = max((until + late, late), ends.get(node, (0, 0)))
    waiting = {node: end for node, end in sorted(ends.items()) if end[0] >= now}
    allowed = {node: nodes.grace_of(connection, node) for node, end in ends.items() if end[0]}
    grace = {node: seconds for node, seconds in sorted(allowed.items()) if seconds}
    ended = allowed.keys() - waiting.keys() - grace.keys()
    return Guarantee(
        tuple(sorted(ends.keys() - allowed.keys())),
        {node: until for node, (until, _) in waiting.items()},
        grace,
        tuple(sorted(ended)),
        {node: late for node, (_, late) in waiting.items()},
    )


def places_of(connection: Connection, *, service: str = "", node: str = "") -> list[Place]:
    """Return every place that is assigned or may still hold a seal, sorted.

    Args:
        connection: any transaction.
        service: name of a service, to return only its places; "" for all.
        node: name of a node, to return only places on it; "" for all.
    """
    rows = connection.execute(select(all_places(service=service, node=node))).all()
    return sorted(Place(node, service) for node, service in rows)


def all_places(*, service: str = "", node: str = "") -> Subquery:
    """Return the query for `places_of`, with the columns `node` and `service`.

    Args:
        service: name of a service, or "" for all.
        node: name of a node, or "" for all.
    """
    queries = []
    for table in (tables.assignments, tables.holdings):
        query = select(table.c.node, table.c.service)
        if service:
            query = query.where(table.c.service == service)
        if node:
            query = query.where(table.c.node == node)
        queries.append(query)
    return union(*queries).subquery("places")


def _outstanding(connection: Connection, preparer: Preparer, place: Place) -> tuple[int, int]:
    """Compute when the last seal of the old state that a node can hold ends.

    Returns: the time, Unix seconds, and how many seconds later it may end by the node's clock; (0,
        0) if the node has confirmed the present state.
    """
    desired = current(connection, preparer, place)
    told = holdings.find(connection, place)
    if told is None:
        return 0, 0
    held = told.serial
    if held != holdings.NO_SERIAL and ledger.template_of(connection, held) is None:
        # The database was restored from a backup, and does not know this seal.
        lifetime = connection.execute(select(tables.site.c.lifetime)).scalar_one()
        lost = losses.find(connection)
        if lost is not None:  # the lifetime may have been longer before the restore
            lifetime = max(lifetime, lost.until - lost.at)
        until = max(ledger.newest_expiry(connection, place)[0], told.told_at + lifetime)
        return until, node_clocks.of(connection, place.node).adds(until, lifetime)
    if desired is None or ledger.template_of(connection, held) != desired:
        until, lifetime = ledger.newest_expiry(connection, place, other_than=desired)
    else:
        # It has confirmed the present state, but a seal that left later may still arrive or have
        # arrived.
        until, lifetime = ledger.newest_expiry(connection, place, other_than=desired, after=held)
        if until and reports.held_on(connection, place):
            return 0, 0
    if not until:
        return 0, 0
    return until, node_clocks.of(connection, place.node).adds(until, lifetime)


def current(connection: Connection, preparer: Preparer, place: Place) -> bytes | None:
    """Return the digest of the template that the seals of a place are made from now.

    Args:
        connection: any transaction.
        preparer: makes the templates of seals.
        place: the service and its node.

    Returns: 32 bytes; None if the place gets no seal.
    """
    try:
        desired = wanted(connection, preparer.issuer, place)
        return preparer.prepare(connection, desired).template.digest
    except (NodeRetired, NotAssigned, NotEnrolled):
        return None
    except errors.SealError:  # the place gets no seal, so that the node holds one of an older state
        return None
