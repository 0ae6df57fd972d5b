"""The guarantee of a change: where it is in force, and when at the latest it will be elsewhere.

A node that nobody can reach stops a service when its seal expires. Every change is therefore
bounded by the newest expiry of the seals of the old state (Pahl and Donini 2018, section III.D).
The node checks expiry with its own clock, which may be late: see `node_clocks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Subquery, select, union

from sealcore import errors
from triseal.site.errors import NodeRetired, NotAssigned, NotEnrolled
from triseal.site.records import holdings, ledger, node_clocks, nodes, reports, tables
from triseal.site.records.placement import Place
from triseal.site.rules.sealing import Preparer, wanted


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
    """

    confirmed: tuple[str, ...]
    waiting: dict[str, int]
    grace: dict[str, int] = field(default_factory=dict)
    ended: tuple[str, ...] = ()
    clocks: dict[str, int] = field(default_factory=dict)

    @property
    def nodes(self) -> list[str]:
        """The names of all nodes that the change concerns, sorted."""
        return sorted({*self.confirmed, *self.waiting, *self.grace, *self.ended})

    @property
    def by(self) -> int | None:
        """The last second in which the old state can hold anywhere; None if it ended everywhere."""
        return max(self.waiting.values(), default=None)


def of(
    connection: Connection,
    preparer: Preparer,
    places: Iterable[Place],
    now: int,
    step: int = 0,
) -> Guarantee:
    """Compute how far nodes are with the present state of some places.

    Args:
        connection: any transaction.
        preparer: makes the templates of seals.
        places: the places that a change concerns.
        now: the time, Unix seconds.
        step: seconds by which the clock was set forward since the site last noted it, see `clock`.
    """
    found = ((place.node, _outstanding(connection, preparer, place)) for place in places)
    return _summed(connection, found, now, step)


def of_bundle(connection: Connection, version: int, now: int, step: int = 0) -> Guarantee:
    """Compute which nodes have a trust bundle, and until when the others can run their services.

    The site sends the bundle at the beginning of each connection. So a node without it has no
    connection, and gets no new seals from then on.

    Args:
        connection: any transaction.
        version: the version of the bundle, or a later one.
        now: the time, Unix seconds.
        step: as for `of`.
    """
    table = tables.nodes.c
    query = select(table.name, table.bundle_version)
    have = {row.name: row.bundle_version or 0 for row in connection.execute(query)}
    found = (
        (place.node, (0, 0) if have.get(place.node, 0) >= version else _newest(connection, place))
        for place in places_of(connection)
    )
    return _summed(connection, found, now, step)


def _newest(connection: Connection, place: Place) -> tuple[int, int]:
    """Compute as `_outstanding` when the last seal that a node can hold ends, whatever it says."""
    if holdings.serial(connection, place) is None:
        return 0, 0
    until, lifetime = ledger.newest_expiry(connection, place)
    return until, node_clocks.of(connection, place.node).adds(until, lifetime) if until else 0


def _summed(
    connection: Connection, found: Iterable[tuple[str, tuple[int, int]]], now: int, step: int
) -> Guarantee:
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
    held = holdings.serial(connection, place)
    if held is None:
        return 0, 0
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
        desired = wanted(connection, place)
    except (NodeRetired, NotAssigned, NotEnrolled):
        return None
    try:
        return preparer.prepare(connection, desired).template.digest
    except errors.SealError:  # the place gets no seal, so that the node holds one of an older state
        return None
