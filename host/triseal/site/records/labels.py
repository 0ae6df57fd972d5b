"""What the site knows of its nodes besides their names: labels from people, facts from nodes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import BigInteger, Column, Connection, Index, String, Table, func, select

from triseal import database
from triseal.site.records import tables

# What a person calls a node.
labels = Table(
    "labels",
    tables.metadata,
    Column("node", String(63), primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
)

# What a node has said about itself when it connected last. A text from a node is only a claim.
facts = Table(
    "facts",
    tables.metadata,
    Column("node", String(63), primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
    Column("told_at", BigInteger, nullable=False),
    Index("facts_by_time", "told_at"),
)


def of(connection: Connection, node: str) -> dict[str, str]:
    """Return the labels of a node by key.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    table = labels.c
    query = select(table.key, table.value).where(table.node == node).order_by(table.key)
    return {row.key: row.value for row in connection.execute(query)}


def change(connection: Connection, node: str, given: Mapping[str, str | None]) -> None:
    """Give labels to a node, and take others away.

    Args:
        connection: a writing transaction.
        node: name of the node.
        given: values by key; None takes the label away.
    """
    table = labels.c
    which = (table.node == node) & table.key.in_(list(given))
    connection.execute(labels.delete().where(which))
    rows = [
        {"node": node, "key": key, "value": value}
        for key, value in given.items()
        if value is not None
    ]
    if rows:
        connection.execute(labels.insert(), rows)


def tell(connection: Connection, node: str, told: Mapping[str, str], now: int) -> None:
    """Keep what a node has said about itself, in place of what it said before.

    Nothing is written if it says the same.

    Args:
        connection: a writing transaction.
        node: name of the node.
        told: values by key.
        now: the time, Unix seconds.
    """
    query = select(facts.c.key, facts.c.value).where(facts.c.node == node)
    if dict(told) == {row.key: row.value for row in connection.execute(query)}:
        return
    connection.execute(facts.delete().where(facts.c.node == node))
    rows = [
        {"node": node, "key": key, "value": value, "told_at": now} for key, value in told.items()
    ]
    if rows:
        database.insert_new(connection, facts, rows)


def newest(connection: Connection) -> int:
    """Return when a node said something new about itself last, Unix seconds; 0 if none ever did.

    Args:
        connection: any transaction.
    """
    return connection.execute(select(func.max(facts.c.told_at))).scalar_one() or 0


def told(connection: Connection) -> dict[str, dict[str, str]]:
    """Return what nodes have said about themselves: values by node and key.

    Args:
        connection: any transaction.
    """
    return _grouped(connection, facts)


def given(connection: Connection) -> dict[str, dict[str, str]]:
    """Return all labels: values by node and key.

    Args:
        connection: any transaction.
    """
    return _grouped(connection, labels)


def forget(connection: Connection, nodes: Collection[str]) -> None:
    """Forget labels and facts of nodes.

    Args:
        connection: a writing transaction.
        nodes: names of the nodes.
    """
    for table in (labels, facts):
        connection.execute(table.delete().where(table.c.node.in_(list(nodes))))


def _grouped(connection: Connection, table: Table) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    query = select(table.c.node, table.c.key, table.c.value).order_by(table.c.node, table.c.key)
    for row in connection.execute(query):
        found.setdefault(row.node, {})[row.key] = row.value
    return found
