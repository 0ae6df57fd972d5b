"""The truth about a change: where it is in force, and when it will be at the latest elsewhere.

A node that nobody can reach stops a service when its seal expires. So the newest expiry of the
seals that still say the old thing bounds every change (Pahl and Donini 2018, section III.D). The
node judges by its own clock, which may be late: see `nodeclock`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, select, union

from sealcore import errors
from triseal.site.errors import NodeRetired, NotAssigned, NotEnrolled
from triseal.site.records import holdings, ledger, node_clocks, nodes, reports, tables
from triseal.site.records.placement import Place
from triseal.site.rules.sealing import Preparer, wanted


@dataclass(frozen=True)
class Guarantee:
    """Where a change is in force.

    Attributes:
        confirmed: nodes where it is, because they said so or were given nothing of the old.
        waiting: for each other node the last second (Unix time) at which the old can still hold.
        ended: nodes that have not said so, but where the old has ended with its last seal.
        clocks: for each node in `waiting` how many seconds of that are for its clock: it may be
            behind the site's, as the node has said itself, and be slow.
        grace: nodes that have not confirmed and may run services for some seconds, these, after a
            power loss before they know the time (`triseal node provision --grace`). There the old
            can hold for so long once more, whenever the power comes back.
    """

    confirmed: tuple[str, ...]
    waiting: dict[str, int]
    grace: dict[str, int] = field(default_factory=dict)
    ended: tuple[str, ...] = ()
    clocks: dict[str, int] = field(default_factory=dict)

    @property
    def nodes(self) -> list[str]:
        """All that the change concerns, by name."""
        return sorted({*self.confirmed, *self.waiting, *self.grace, *self.ended})

    @property
    def by(self) -> int | None:
        """The second after which it is in force everywhere; None if it is so already."""
        return max(self.waiting.values(), default=None)


def of(
    connection: Connection,
    preparer: Preparer,
    places: Iterable[Place],
    now: int,
    step: int = 0,
) -> Guarantee:
    """How far nodes are with what these places' seals shall say now.

    Args:
        now: Unix seconds.
        step: by how much the clock was set forward since the site noted it last: see `clock`.
    """
    found: dict[str, tuple[int, int]] = {}
    for place in places:
        until, late = _outstanding(connection, preparer, place)
        late += step if until else 0
        found[place.node] = max((until + late, late), found.get(place.node, (0, 0)))
    waiting = {node: one for node, one in sorted(found.items()) if one[0] >= now}
    allowed = {node: nodes.grace_of(connection, node) for node, one in found.items() if one[0]}
    grace = {node: seconds for node, seconds in sorted(allowed.items()) if seconds}
    ended = allowed.keys() - waiting.keys() - grace.keys()
    return Guarantee(
        tuple(sorted(found.keys() - allowed.keys())),
        {node: until for node, (until, _) in waiting.items()},
        grace,
        tuple(sorted(ended)),
        {node: late for node, (_, late) in waiting.items()},
    )


def places_of(connection: Connection, *, service: str = "", node: str = "") -> list[Place]:
    """Every place of a service, or on a node, that is assigned or may still hold a seal."""
    queries = []
    for table in (tables.assignments, tables.holdings):
        query = select(table.c.node, table.c.service)
        if service:
            query = query.where(table.c.service == service)
        if node:
            query = query.where(table.c.node == node)
        queries.append(query)
    rows = connection.execute(union(*queries)).all()
    return sorted((Place(row.node, row.service) for row in rows), key=lambda p: (p.node, p.service))


def _outstanding(connection: Connection, preparer: Preparer, place: Place) -> tuple[int, int]:
    """When the last seal by which the node can hold to the old ends, and how many seconds later the
    node may see it; 0, 0 if it has said that it does not hold to the old."""
    wished = current(connection, preparer, place)
    held = holdings.serial(connection, place)
    if held is None:
        return 0, 0
    if wished is None or ledger.template_of(connection, held) != wished:
        until, lifetime = ledger.newest_expiry(connection, place, other_than=wished)
    else:
        # It has said the right thing; but what left for it later may still come, or have come.
        until, lifetime = ledger.newest_expiry(connection, place, other_than=wished, after=held)
        if until and reports.held_on(connection, place):
            return 0, 0
    if not until:
        return 0, 0
    return until, node_clocks.of(connection, place.node).adds(until, lifetime)


def current(connection: Connection, preparer: Preparer, place: Place) -> bytes | None:
    """The digest of the template that the place shall have; None if it shall have no seal."""
    try:
        one = wanted(connection, place)
    except (NodeRetired, NotAssigned, NotEnrolled):
        return None
    try:
        return preparer.prepare(connection, one).template.digest
    except errors.SealError:  # it gets no seal, so what it holds is of something else
        return None
