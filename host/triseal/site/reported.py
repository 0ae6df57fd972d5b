"""What nodes reported as gone wrong, with the evidence where there is some."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    func,
    select,
)

from sealcore import encode
from triseal.site import state
from triseal.site.ledger import Place

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


@dataclass(frozen=True)
class Refusal:
    """A report; `number` counts up."""

    number: int
    code: str
    detail: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.code, self.detail) if part)


def keep(
    connection: Connection, place: Place, code: str, detail: str, evidence: list[bytes], now: int
) -> None:
    """Keep what a node reported of a service, and forget the oldest beyond MOST_REFUSALS."""
    connection.execute(
        refusals.insert().values(
            node=place.node,
            service=place.service,
            code=code,
            detail=detail,
            evidence=encode.sequence(*[encode.octets(one) for one in evidence]),
            told_at=now,
        )
    )
    table = refusals.c
    newest = select(table.id).where(table.node == place.node).order_by(table.id.desc())
    too_old = newest.offset(MOST_REFUSALS)
    connection.execute(
        refusals.delete().where(table.id.in_(too_old.limit(MOST_REFUSALS).scalar_subquery()))
    )


def since(connection: Connection, place: Place, moment: int) -> Refusal | None:
    """What a node reported last of a service, if it did at this moment (Unix seconds) or later."""
    table = refusals.c
    which = (table.node == place.node) & (table.service == place.service)
    query = select(table.id, table.code, table.detail).where(which, table.told_at >= moment)
    row = connection.execute(query.order_by(table.id.desc()).limit(1)).one_or_none()
    return None if row is None else Refusal(*row)


def last(connection: Connection) -> int:
    """The number of the newest of all; 0 if there is none."""
    return connection.execute(select(func.max(refusals.c.id))).scalar_one() or 0
