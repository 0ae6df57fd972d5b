"""REPORT: what became of a service on its node, kept with the evidence where there is some."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    select,
)

from sealcore import encode, errors, messages
from triseal.site import holdings, nodes, state
from triseal.site.ledger import Place
from triseal.site.link import greeting
from triseal.site.link.drafts import Draft, Look

# What nodes refused. The evidence is a SEQUENCE OF the seals that contradict each other.
refusals = Table(
    "refusals",
    state.metadata,
    Column("id", Integer, primary_key=True),
    Column("node", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("code", String(32), nullable=False),
    Column("detail", String(512), nullable=False),
    Column("evidence", LargeBinary, nullable=False),
    Column("told_at", BigInteger, nullable=False),
    Index("refusals_by_node", "node", "id"),
)
MOST_REFUSALS = 64  # kept of each node: a lying node fills no disk

Report = tuple[str, bytes, int, str, str, list[bytes]]


def report(look: Look, node: str, told: Report) -> Draft:
    """Record a report. The answer is a new seal where one has expired on its way, else nothing.

    Args:
        node: as its certificate names it.
        told: service, serial that it holds (empty: none), index of the state, code, detail, seals.

    Raises: UnknownNode, NodeRetired, NotEnrolled.
    """
    service, serial, number, code, detail, evidence = told
    place = Place(node, service)
    plan = look.plans.of(look.connection, node, look.now)
    assigned = service in plan.services
    if not assigned and holdings.serial(look.connection, place) is None:
        return Draft(counts={"report-ignored": 1})  # a name that the site never gave this node
    draft = Draft(held={service: serial or None}, counts={"report": 1})
    if not serial:
        draft.gave_up = node
        draft.writes.append(lambda connection: holdings.gone(connection, place))
    else:
        became = messages.STATES[number]
        draft.writes.append(
            lambda connection: holdings.confirm(connection, place, serial, became, look.now)
        )
    draft.writes.append(lambda connection: nodes.heard(connection, node, look.now))
    if not serial and code == errors.Expired.code and assigned:
        greeting.assign(look, draft, plan, service)
    if code:
        seals = encode.sequence(*[encode.octets(one) for one in evidence])
        draft.writes.append(
            lambda connection: _keep(connection, place, code, detail, seals, look.now)
        )
    return draft


def _keep(
    connection: Connection, place: Place, code: str, detail: str, evidence: bytes, now: int
) -> None:
    connection.execute(
        refusals.insert().values(
            node=place.node,
            service=place.service,
            code=code,
            detail=detail,
            evidence=evidence,
            told_at=now,
        )
    )
    table = refusals.c
    newest = select(table.id).where(table.node == place.node).order_by(table.id.desc())
    too_old = newest.offset(MOST_REFUSALS)
    connection.execute(
        refusals.delete().where(table.id.in_(too_old.limit(MOST_REFUSALS).scalar_subquery()))
    )
