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
from triseal.advice import REFUSALS
from triseal.site.records import holdings, ledger, tables
from triseal.site.records.placement import Place

# What nodes refused. The evidence is a SEQUENCE OF the seals that contradict each other.
refusals = Table(
    "refusals",
    tables.metadata,
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


# Codes of what was offered; the others a node also says of what runs, or waits for the time.
_OF_SEALS = REFUSALS.keys() - {"expired", "not-granted", "no-trusted-time"}
# After it refused a seal, a node says how it is with what it holds on to.
_AFTER = ("refused", "running")


@dataclass(frozen=True)
class Report:
    """What a node reported; `number` counts up, `told_at` is in Unix seconds."""

    number: int
    code: str
    detail: str
    told_at: int

    def __str__(self) -> str:
        return ": ".join(part for part in (self.code, self.detail) if part)

    def refuses(self, state_told: str) -> bool:
        """Whether it says that the node did not take a seal: it holds on to the one before.

        Args:
            state_told: the last that the node told of the service.
        """
        return self.code in _OF_SEALS and state_told in _AFTER

    def explains_nothing_held(self) -> bool:
        """Whether it says why a node that holds nothing of the service did not install it."""
        return self.code in _OF_SEALS or self.code == "MemoryError"


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


def newest(connection: Connection, place: Place) -> Report | None:
    """What a node reported last of a service; None if nothing that is kept."""
    table = refusals.c
    which = (table.node == place.node) & (table.service == place.service)
    query = select(table.id, table.code, table.detail, table.told_at).where(which)
    row = connection.execute(query.order_by(table.id.desc()).limit(1)).one_or_none()
    return None if row is None else Report(*row)


def held_on(connection: Connection, place: Place) -> bytes | None:
    """The serial of the seal that a node holds on to, as it refused what has left for it since.

    None if it has not said so: then it may take, or have taken, all that left for it.
    """
    row = holdings.find(connection, place)
    report = newest(connection, place)
    if row is None or report is None or not report.refuses(row.state):
        return None
    return row.serial if report.told_at >= ledger.newest_begin(connection, place) else None


def last(connection: Connection) -> int:
    """The number of the newest of all; 0 if there is none."""
    return connection.execute(select(func.max(refusals.c.id))).scalar_one() or 0
