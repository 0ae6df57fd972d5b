"""The settings of nodes that the site has decided, and their versions.

What provisioning wrote and the site never changed is not here: only the node has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    select,
)

from triseal.site.records import tables

settings = Table(
    "node_settings",
    tables.metadata,
    Column("node", String(63), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", LargeBinary, nullable=False),  # JSON, or what the vault has made of it
    Column("secret", Boolean, nullable=False),
    Column("shown", String(1024), nullable=False),  # what people may read of it
)

versions = Table(
    "settings_versions",
    tables.metadata,
    Column("node", String(63), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)


class Setting(NamedTuple):
    """A setting of a node.

    Attributes:
        key: a key of its settings.json, or "config." and the key of a configuration.
        value: the value as JSON; b"null" takes it away. If it is secret, the vault has sealed it.
        secret: whether it is.
        shown: what people may read of it.
    """

    key: str
    value: bytes
    secret: bool
    shown: str


def change(connection: Connection, node: str, changed: Iterable[Setting], now: int) -> int:
    """Change settings of a node.

    Args:
        connection: a writing transaction.
        node: name of the node.
        changed: the new ones; all others stay.
        now: the time, Unix seconds.

    Returns: the new version.
    """
    for one in changed:
        which = (settings.c.node == node) & (settings.c.key == one.key)
        connection.execute(settings.delete().where(which))
        connection.execute(settings.insert().values({"node": node, **one._asdict()}))
    newest = version(connection, node)
    values = {"version": newest + 1, "changed_at": now}
    if newest:
        connection.execute(versions.update().where(versions.c.node == node).values(values))
    else:
        connection.execute(versions.insert().values(node=node, **values))
    return newest + 1


def start_over(connection: Connection, node: str, now: int) -> int:
    """Drop the settings of a node that gets all of them at a cable.

    Args:
        connection: a writing transaction.
        node: name of the node.
        now: the time, Unix seconds.

    Returns: the version of those that it gets; 0 if the site never changed any.
    """
    if not version(connection, node):
        return 0
    connection.execute(settings.delete().where(settings.c.node == node))
    return change(connection, node, (), now)


def version(connection: Connection, node: str) -> int:
    """Return the version of a node's settings, 0 if the site never changed them.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    query = select(versions.c.version).where(versions.c.node == node)
    return connection.execute(query).scalar_one_or_none() or 0


def raise_to(connection: Connection, node: str, least: int) -> None:
    """Raise the version of a node's settings, which a restored database may have lost.

    Args:
        connection: a writing transaction.
        node: name of the node.
        least: the lowest version that they may have then.
    """
    if not version(connection, node):
        values = {"node": node, "version": least, "changed_at": 0}
        connection.execute(versions.insert().values(values))
        return
    lower = (versions.c.node == node) & (versions.c.version < least)
    connection.execute(versions.update().where(lower).values(version=least))


def all_versions(connection: Connection) -> dict[str, int]:
    """Return the version of the settings of each node that has any, by name, sorted.

    Args:
        connection: any transaction.
    """
    query = select(versions.c.node, versions.c.version).order_by(versions.c.node)
    return {row.node: row.version for row in connection.execute(query)}


def of(connection: Connection, node: str) -> list[Setting]:
    """Return the settings of a node, sorted by key.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    table = settings.c
    query = select(table.key, table.value, table.secret, table.shown).where(table.node == node)
    rows = connection.execute(query)
    return sorted(Setting(row.key, bytes(row.value), row.secret, row.shown) for row in rows)


def forget(connection: Connection, node: str) -> None:
    """Forget the settings of a node.

    Args:
        connection: a writing transaction.
        node: name of the node.
    """
    for table in (settings, versions):
        connection.execute(table.delete().where(table.c.node == node))
