"""The nodes that two boards have claimed to be, and when that was last seen."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import BigInteger, Column, Connection, String, Table, select

from triseal import database
from triseal.site.records import tables

SECONDS = 2 * 3600  # how long the site shows it after it was last seen

twins = Table(
    "twins",
    tables.metadata,
    Column("node", String(63), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)


def note(connection: Connection, nodes: Iterable[str], now: int) -> None:
    """Note that two boards claim to be each of these nodes.

    Args:
        connection: a writing transaction.
        nodes: names of the nodes.
        now: the time, Unix seconds.
    """
    claimed = sorted(nodes)
    database.insert_new(connection, twins, [{"node": node, "seen_at": now} for node in claimed])
    connection.execute(twins.update().where(twins.c.node.in_(claimed)).values(seen_at=now))


def seen(connection: Connection) -> dict[str, int]:
    """Return when it was last seen, Unix seconds, by node.

    Args:
        connection: any transaction.
    """
    return {row.node: row.seen_at for row in connection.execute(select(twins))}
