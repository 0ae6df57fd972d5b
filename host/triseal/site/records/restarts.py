"""Services that a person wants started again: kept until their node has said that it does so."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, String, Table, select

from triseal.site.errors import NotAssigned
from triseal.site.records import services, tables
from triseal.site.records.placement import Place

# Why a service starts again, as its node reports it then.
CODE = "restart"

restarts = Table(
    "restarts",
    tables.metadata,
    Column("node", String(63), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("asked_at", BigInteger, nullable=False),
)


def ask(connection: Connection, place: Place, now: int) -> None:
    """Have a service started again on its node.

    Args:
        connection: of a writing transaction.
        place: the service and its node.
        now: Unix seconds.

    Raises:
        NotAssigned: the node does not have this service.
    """
    if not services.is_assigned(connection, place):
        raise NotAssigned(f"{place.service} to {place.node}")
    done(connection, place)
    connection.execute(
        restarts.insert().values(node=place.node, service=place.service, asked_at=now)
    )


def pending(connection: Connection, node: str) -> tuple[str, ...]:
    """The services that a node must still start again, by name."""
    table = restarts.c
    found = select(table.service).where(table.node == node).order_by(table.service)
    return tuple(connection.scalars(found))


def done(connection: Connection, place: Place) -> None:
    """The node has said that it starts the service again."""
    table = restarts.c
    which = (table.node == place.node) & (table.service == place.service)
    connection.execute(restarts.delete().where(which))
