"""What a node said last about its present condition. It changes with each connection."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Integer, String, Table, select

from triseal import database
from triseal.site.records import tables

vitals = Table(
    "vitals",
    tables.metadata,
    Column("node", String(63), primary_key=True),
    Column("heap", BigInteger, nullable=False),
    Column("flash", BigInteger, nullable=False),
    Column("uptime", BigInteger, nullable=False),
    Column("settings", Integer, nullable=False),
    Column("gave_up", Integer, nullable=False),
    Column("address", String(64), nullable=False),
    Column("told_at", BigInteger, nullable=False),
)


class Vitals(NamedTuple):
    """The condition of a node.

    Attributes:
        heap, flash: free bytes.
        uptime: seconds since its agent was started, when it said so.
        settings: version of the settings in force; 0 for those of its provisioning.
        gave_up: version of settings with which it did not reach the site, or 0.
        address: network address from which it came; "" for a serial line.
        told_at: when it said so, Unix seconds.
    """

    heap: int
    flash: int
    uptime: int
    settings: int
    gave_up: int
    address: str
    told_at: int


def tell(connection: Connection, node: str, now: Vitals) -> None:
    """Keep the condition of a node in place of what it said before.

    Args:
        connection: a writing transaction.
        node: name of the node.
        now: its condition.
    """
    values = now._asdict() | {"address": now.address[:64]}
    database.insert_new(connection, vitals, [{"node": node, **values}])
    connection.execute(vitals.update().where(vitals.c.node == node).values(values))


def of(connection: Connection, node: str) -> Vitals | None:
    """Return the condition of a node; None if it never said it.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    row = connection.execute(select(vitals).where(vitals.c.node == node)).one_or_none()
    return None if row is None else _made(row._asdict())


def every(connection: Connection) -> dict[str, Vitals]:
    """Return the condition of all nodes that said it, by name.

    Args:
        connection: any transaction.
    """
    return {row.node: _made(row._asdict()) for row in connection.execute(select(vitals))}


def _made(values: dict[str, object]) -> Vitals:
    return Vitals(**{key: values[key] for key in Vitals._fields})  # type: ignore[arg-type]
