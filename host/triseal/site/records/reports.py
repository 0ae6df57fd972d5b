"""The errors that nodes have reported, with evidence where there is some."""

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
    Subquery,
    Table,
    func,
    select,
)

from sealcore import encode, errors
from triseal.advice import REFUSALS
from triseal.site.records import holdings, ledger, tables
from triseal.site.records.placement import Place

# The evidence is a SEQUENCE OF the seals that contradict each other.
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
MOST_REFUSALS = 64  # kept for each node, so that a lying node can't fill the disk


# Codes of an offered seal. A node uses the other codes also for a running or waiting service.
_OF_SEALS = REFUSALS.keys() - {"expired", "not-granted", "no-trusted-time"}
# The states that a node reports after it refused a seal and keeps the one before.
_AFTER = ("refused", "running")


# In the detail of `fell-back`, behind the version: the first digits of the serial of the seal that
# the node had tried; see `nlsm/swap.py`.
_ATTEMPT = " (seal "


@dataclass(frozen=True)
class Report:
    """A report of a node about a service.

    Attributes:
        number: counts up over all reports.
        code: stable code of the error.
        detail: more about the error, or "".
        told_at: when the node reported it, Unix seconds.
    """

    number: int
    code: str
    detail: str
    told_at: int

    def __str__(self) -> str:
        return ": ".join(part for part in (self.code, self.detail) if part)

    def refuses(self, state_told: str) -> bool:
        """Tell whether the node refused a seal and keeps the one before.

        Args:
            state_told: the newest state of the service that the node has reported.
        """
        return self.code in _OF_SEALS and state_told in _AFTER

    def is_of_another(self, version: str) -> bool:
        """Tell whether a node gave up an agent or a firmware of another version than this one.

        Args:
            version: the version that the node must have now.
        """
        named = self.code == errors.FellBack.code and _ATTEMPT in self.detail
        return named and not self.detail.startswith(version + _ATTEMPT)

    def explains_nothing_held(self) -> bool:
        """Tell whether this is the reason why a node that holds nothing did not install it."""
        return self.code in _OF_SEALS or self.code == "MemoryError"


def is_of_seal(code: str) -> bool:
    """Tell whether a node that reports this code has refused a seal.

    Args:
        code: code of the error.
    """
    return code in _OF_SEALS


def keep(
    connection: Connection, place: Place, code: str, detail: str, evidence: list[bytes], now: int
) -> None:
    """Keep a report of a node, and delete its oldest reports beyond MOST_REFUSALS.

    Args:
        connection: a writing transaction.
        place: the service and its node.
        code: stable code of the error.
        detail: more about the error, or "".
        evidence: the seals that contradict each other, DER.
        now: the time, Unix seconds.
    """
    connection.execute(
        refusals.insert().values(
            node=place.node,
            service=place.service,
            code=code,
            detail=detail,
            evidence=encode.sequence(*[encode.octets(seal) for seal in evidence]),
            told_at=now,
        )
    )
    table = refusals.c
    newest = select(table.id).where(table.node == place.node).order_by(table.id.desc())
    too_old = newest.offset(MOST_REFUSALS)
    connection.execute(
        refusals.delete().where(table.id.in_(too_old.limit(MOST_REFUSALS).scalar_subquery()))
    )


def knows(connection: Connection, place: Place, code: str, detail: str) -> bool:
    """Tell whether this was reported before, word by word.

    Args:
        connection: any transaction.
        place: the service and its node.
        code: stable code of the error.
        detail: more about the error, or "".
    """
    table = refusals.c
    which = (table.node == place.node) & (table.service == place.service)
    which &= (table.code == code) & (table.detail == detail)
    return connection.execute(select(table.id).where(which).limit(1)).first() is not None


def newest(connection: Connection, place: Place) -> Report | None:
    """Return the newest report of a node about a service, or None.

    Args:
        connection: any transaction.
        place: the service and its node.
    """
    table = refusals.c
    which = (table.node == place.node) & (table.service == place.service)
    query = select(table.id, table.code, table.detail, table.told_at).where(which)
    row = connection.execute(query.order_by(table.id.desc()).limit(1)).one_or_none()
    return None if row is None else Report(*row)


def held_on(connection: Connection, place: Place) -> bytes | None:
    """Return the serial of the seal that a node keeps because it refused all newer ones.

    Args:
        connection: any transaction.
        place: the service and its node.

    Returns: 16 bytes; None if the node has not said so, so that it may have taken or still take any
        seal that was sent.
    """
    row = holdings.find(connection, place)
    report = newest(connection, place)
    if row is None or report is None or not report.refuses(row.state):
        return None
    return row.serial if report.told_at >= ledger.newest_begin(connection, place) else None


def newest_of_all(connection: Connection) -> dict[Place, Report]:
    """Return the newest report about each place that has one.

    Args:
        connection: any transaction.
    """
    table = refusals.c
    newest_ones = select(func.max(table.id)).group_by(table.node, table.service)
    query = select(
        table.node, table.service, table.id, table.code, table.detail, table.told_at
    ).where(table.id.in_(newest_ones))
    rows = connection.execute(query).all()
    return {Place(node, service): Report(*report) for node, service, *report in rows}


def all_places() -> Subquery:
    """Return the query for all places with a report, with the columns `node` and `service`."""
    return select(refusals.c.node, refusals.c.service).distinct().subquery("reported")


def last(connection: Connection) -> int:
    """Return the number of the newest report of all, 0 if there is none.

    Args:
        connection: any transaction.
    """
    return connection.execute(select(func.max(refusals.c.id))).scalar_one() or 0
