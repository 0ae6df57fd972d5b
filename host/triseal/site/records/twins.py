"""Which nodes two boards have claimed to be, and when that was seen last."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import BigInteger, Column, Connection, String, Table, select

from triseal import database
from triseal.site.records import tables

SECONDS = 2 * 3600  # that it is said for, after it was seen

twins = Table(
    "twins",
    tables.metadata,
    Column("node", String(63), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)


def note(connection: Connection, nodes: Iterable[str], now: int) -> None:
    """Two boards claim to be each of these nodes."""
    found = sorted(nodes)
    database.insert_new(connection, twins, [{"node": node, "seen_at": now} for node in found])
    connection.execute(twins.update().where(twins.c.node.in_(found)).values(seen_at=now))


def seen(connection: Connection) -> dict[str, int]:
    """When it was seen last, in Unix seconds, by node."""
    return {row.node: row.seen_at for row in connection.execute(select(twins))}
