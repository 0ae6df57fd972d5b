"""The restarts of services that a person has asked for, kept until the node has done them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, String, Table, bindparam, select

from triseal.site.errors import NotAssigned
from triseal.site.records import services, tables
from triseal.site.records.placement import Place

# The code that a node reports when it starts a service again for this reason.
CODE = "restart"

restarts = Table(
    "restarts",
    tables.metadata,
    Column("node", String(63), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("asked_at", BigInteger, nullable=False),
)
_OF_NODE = (
    select(restarts.c.service)
    .where(restarts.c.node == bindparam("at_node"))
    .order_by(restarts.c.service)
)


def ask(connection: Connection, place: Place, now: int) -> None:
    """Ask for a restart of a service on its node.

    Args:
        connection: a writing transaction.
        place: the service and its node.
        now: the time, Unix seconds.

    Raises:
        NotAssigned: the node does not have this service.
    """
    if not services.is_assigned(connection, place):
        raise NotAssigned(f"{place.service} is not assigned to {place.node}")
    done(connection, place)
    connection.execute(
        restarts.insert().values(node=place.node, service=place.service, asked_at=now)
    )


def pending(connection: Connection, node: str) -> tuple[str, ...]:
    """Return the names of the services that a node must still restart.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    return tuple(connection.scalars(_OF_NODE, {"at_node": node}))


def done(connection: Connection, place: Place) -> None:
    """Note that the node has restarted the service.

    Args:
        connection: a writing transaction.
        place: the service and its node.
    """
    table = restarts.c
    which = (table.node == place.node) & (table.service == place.service)
    connection.execute(restarts.delete().where(which))
