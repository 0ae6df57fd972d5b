"""Which release of a service each node gets: the newest that the site took in, or one before it.

A package that is taken in goes to all nodes of its service, unless it is held back. Then they go on
with what they have, all under EVERY_NODE; a node that is moved on to the newest has a row of its
own, and keeps it when a still newer package is held back. When all may have the newest, no row is
left. So what a node gets is decided here alone, in one transaction with all that depends on it.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from triseal.site.records import tables
from triseal.site.records.placement import Place


def of_node(connection: Connection, node: str, service: str = "") -> dict[str, bytes]:
    """The packages (digests) that a node gets, by service; of those not named, the newest.

    Args:
        node: its name.
        service: look at this one only.
    """
    table = tables.releases.c
    query = select(table.service, table.node, table.package).where(
        table.node.in_((tables.EVERY_NODE, node))
    )
    if service:
        query = query.where(table.service == service)
    rows = connection.execute(query.order_by(table.node)).all()  # EVERY_NODE, "", comes first
    return {row.service: row.package for row in rows}


def due(connection: Connection, place: Place, newest: bytes) -> bytes:
    """The digest of the package that a node gets of a service.

    Args:
        newest: the digest of the service's newest package.
    """
    return of_node(connection, place.node, place.service).get(place.service, newest)


def held(connection: Connection, service: str) -> bytes | None:
    """The digest of the package that nodes get until they are moved on; None for the newest."""
    return _rows(connection, service).get(tables.EVERY_NODE)


def moved(connection: Connection, service: str) -> set[str]:
    """The nodes that were moved on while the rest is held."""
    return _rows(connection, service).keys() - {tables.EVERY_NODE}


def in_use(connection: Connection, service: str, newest: bytes) -> set[bytes]:
    """The digests of all packages of a service that some node gets or may be moved on to."""
    return {newest, *_rows(connection, service).values()}


def hold(connection: Connection, service: str, package: bytes) -> None:
    """All nodes go on with this package; nothing happens if they are held already."""
    if held(connection, service) is None:
        _insert(connection, Place(tables.EVERY_NODE, service), package)


def free(connection: Connection, service: str) -> None:
    """All nodes, and those that come later, get the newest package."""
    table = tables.releases
    connection.execute(table.delete().where(table.c.service == service))


def give(connection: Connection, place: Place, package: bytes) -> None:
    """Move a node on to this package."""
    take(connection, place)
    _insert(connection, place, package)


def take(connection: Connection, place: Place) -> None:
    """Let a node have again what those have that were not moved on."""
    table = tables.releases
    which = (table.c.service == place.service) & (table.c.node == place.node)
    connection.execute(table.delete().where(which))


def _rows(connection: Connection, service: str) -> dict[str, bytes]:
    table = tables.releases.c
    query = select(table.node, table.package).where(table.service == service)
    return {row.node: row.package for row in connection.execute(query)}


def _insert(connection: Connection, place: Place, package: bytes) -> None:
    values = {"service": place.service, "node": place.node, "package": package}
    connection.execute(tables.releases.insert().values(values))
