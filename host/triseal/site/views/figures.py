"""The figures of a site: what the pages of a server show about nodes, services and certificates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from sealcore import messages
from triseal.site.records import clocks, holdings, services, tables, twins
from triseal.site.records.placement import Place
from triseal.site.rules import trust
from triseal.site.slca.authority import Issuer
from triseal.site.views import ends, told

NONE = "none"
ENDED = "ended"
OTHER = "other"
# Every state that a place can have here. A node can't add to them.
STATES = (NONE, holdings.SENT, *messages.STATES, ENDED, OTHER)


@dataclass(frozen=True)
class Figures:
    """The figures of a site at one moment.

    Attributes:
        lifetime: lifetime of its seals, seconds.
        expiry: seconds until the first of the valid newest seals expires; None if none is valid.
        ended: the assigned services whose newest seal is no longer valid.
        silent: seconds since each node that is not retired was heard, by node.
        states: number of places by service and state, one of STATES: the state that the node has
            reported, ENDED after the end of its newest seal, NONE if the node holds nothing.
        enrolled: number of nodes that are enrolled and not retired.
        claimed: number of nodes that two boards have lately claimed to be.
        concerns: number of running releases that their Store has withdrawn, or whose developer it
            has suspended.
        bundle_version: version of the newest trust bundle.
        behind: number of nodes that have reported an older trust bundle.
        strange: number of nodes that have reported a trust bundle that the site does not know.
        ends: the earliest end of a certificate by kind, Unix seconds, see `ends`.
        near: kind and name of what ends soon, see `ends.WARN`.
        doubted: number of computers that doubt their clocks.
    """

    lifetime: int = 0
    expiry: float | None = None
    ended: frozenset[Place] = frozenset()
    silent: Mapping[str, float] = field(default_factory=dict)
    states: Mapping[tuple[str, str], int] = field(default_factory=dict)
    enrolled: int = 0
    claimed: int = 0
    concerns: int = 0
    bundle_version: int = 0
    behind: int = 0
    strange: int = 0
    ends: Mapping[str, int] = field(default_factory=dict)
    near: tuple[tuple[str, str], ...] = ()
    doubted: int = 0


def read(connection: Connection, issuer: Issuer, now: int) -> Figures:
    """Read the figures.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        now: the time, Unix seconds.
    """
    until, states = _places(connection, now)
    left = [end - now for end in until.values() if end >= now]
    nodes = connection.execute(select(tables.nodes).where(tables.nodes.c.retired_at.is_(None)))
    present = nodes.all()
    newest = trust.current(connection, issuer).version
    every = ends.all_ends(connection, issuer)
    claimed = {node for node, seen in twins.seen(connection).items() if now - seen <= twins.SECONDS}
    doubted = select(func.count()).where(clocks.clocks.c.doubted)
    return Figures(
        lifetime=connection.execute(select(tables.site.c.lifetime)).scalar_one(),
        expiry=min(left, default=None),
        ended=frozenset(place for place, end in until.items() if end < now),
        silent={row.name: now - row.heard_at for row in present if row.heard_at is not None},
        states=states,
        enrolled=sum(row.spki is not None for row in present),
        claimed=len(claimed & {row.name for row in present}),
        concerns=len(told.concerns(connection)),
        bundle_version=newest,
        behind=sum((row.bundle_version or newest) < newest for row in present),
        strange=len(trust.nodes_with_others(connection, issuer)),
        ends={end.kind: end.not_after for end in reversed(every)},  # the earliest one stays
        near=tuple((end.kind, end.name) for end in every if end.is_near(now)),
        doubted=connection.execute(doubted).scalar_one(),
    )


def _places(connection: Connection, now: int) -> tuple[dict[Place, int], Counter[tuple[str, str]]]:
    """Read the assigned services on all nodes that are not retired.

    Returns: the end of the newest seal of each place that was ever sealed, Unix seconds; and the
        number of places by service and state.
    """
    seals, assigned, held = tables.seals.c, tables.assignments.c, tables.holdings.c
    here = (seals.node == assigned.node) & (seals.service == assigned.service)
    newest = select(func.max(seals.not_after)).where(here).scalar_subquery().label("until")
    place = (held.node == assigned.node) & (held.service == assigned.service)
    present = select(tables.nodes.c.name).where(tables.nodes.c.retired_at.is_(None))
    rows = connection.execute(
        select(assigned.node, assigned.service, held.state, newest)
        .select_from(tables.assignments.outerjoin(tables.holdings, place))
        .where(assigned.node.in_(present))
    )
    until, states = {}, Counter[tuple[str, str]]()
    lasting = services.lasting(connection)
    for row in rows:
        state = NONE if row.state is None else row.state if row.state in STATES else OTHER
        if row.until is not None and row.service not in lasting:
            until[Place(row.node, row.service)] = row.until
            if row.until < now and state not in (NONE, holdings.SENT):
                state = ENDED
        states[row.service, state] += 1
    return until, states
