"""The release of a service that each node gets: the newest that the site has, or one before it.

A package that is taken in goes to all nodes of its service, unless it is held back. Then all nodes
stay at their release, which is recorded under EVERY_NODE. A node that gets the newest has a row of
its own, and keeps it when a still newer package is held back. When all nodes may get the newest,
no row is left. These rows alone decide what a node gets, in one transaction with everything that
depends on it.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, or_, select

from triseal.site.records import tables
from triseal.site.records.placement import Place

_RELEASES = tables.releases.c
_OF_NODE = (
    select(_RELEASES.service, _RELEASES.node, _RELEASES.package)
    .where(or_(_RELEASES.node == tables.EVERY_NODE, _RELEASES.node == bindparam("on_node")))
    .order_by(_RELEASES.node)  # EVERY_NODE, "", comes first
)
_OF_PLACE = _OF_NODE.where(_RELEASES.service == bindparam("wanted"))
_OF_SERVICE = select(_RELEASES.node, _RELEASES.package).where(
    _RELEASES.service == bindparam("wanted")
)


def of_node(connection: Connection, node: str, service: str = "") -> dict[str, bytes]:
    """Return the packages that a node gets.

    Args:
        connection: any transaction.
        node: name of the node.
        service: name of a service, to look at only this one; "" for all.

    Returns: digest of the package by service. A service that is missing gets its newest package.
    """
    if service:
        rows = connection.execute(_OF_PLACE, {"on_node": node, "wanted": service}).all()
    else:
        rows = connection.execute(_OF_NODE, {"on_node": node}).all()
    return {row.service: row.package for row in rows}


def due(connection: Connection, place: Place, newest: bytes) -> bytes:
    """Return the digest of the package of a service that a node gets.

    Args:
        connection: any transaction.
        place: the service and its node.
        newest: digest of the service's newest package.
    """
    return of_node(connection, place.node, place.service).get(place.service, newest)


def held(connection: Connection, service: str) -> bytes | None:
    """Return the digest of the package that the held nodes get.

    Args:
        connection: any transaction.
        service: name of the service.

    Returns: the digest; None if all nodes get the newest.
    """
    return of_service(connection, service).get(tables.EVERY_NODE)


def moved(connection: Connection, service: str) -> set[str]:
    """Return the nodes that already got a newer release while the others are held.

    Args:
        connection: any transaction.
        service: name of the service.
    """
    return of_service(connection, service).keys() - {tables.EVERY_NODE}


def in_use(connection: Connection, service: str, newest: bytes) -> set[bytes]:
    """Return the digests of all packages of a service that a node gets or may get.

    Args:
        connection: any transaction.
        service: name of the service.
        newest: digest of the service's newest package.
    """
    return {newest, *of_service(connection, service).values()}


def hold(connection: Connection, service: str, package: bytes) -> None:
    """Keep all nodes at a package. Does nothing if they are already held.

    Args:
        connection: a writing transaction.
        service: name of the service.
        package: digest of the package.
    """
    if held(connection, service) is None:
        _insert(connection, Place(tables.EVERY_NODE, service), package)


def free(connection: Connection, service: str) -> None:
    """Give all nodes, and those that come later, the newest package.

    Args:
        connection: a writing transaction.
        service: name of the service.
    """
    table = tables.releases
    connection.execute(table.delete().where(table.c.service == service))


def give(connection: Connection, place: Place, package: bytes) -> None:
    """Move a node on to a package, while the others are held.

    Args:
        connection: a writing transaction.
        place: the service and its node.
        package: digest of the package.
    """
    take(connection, place)
    _insert(connection, place, package)


def take(connection: Connection, place: Place) -> None:
    """Remove the node's override: it gets the held release again.

    Args:
        connection: a writing transaction.
        place: the service and its node.
    """
    table = tables.releases
    which = (table.c.service == place.service) & (table.c.node == place.node)
    connection.execute(table.delete().where(which))


def of_service(connection: Connection, service: str) -> dict[str, bytes]:
    """Return the packages of a service that nodes get instead of the newest one.

    Args:
        connection: any transaction.
        service: name of the service.

    Returns: digest of the package by node; EVERY_NODE stands for all nodes that are not named.
    """
    rows = connection.execute(_OF_SERVICE, {"wanted": service})
    return {row.node: row.package for row in rows}


def _insert(connection: Connection, place: Place, package: bytes) -> None:
    values = {"service": place.service, "node": place.node, "package": package}
    connection.execute(tables.releases.insert().values(values))
