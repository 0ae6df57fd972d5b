"""The services of a site: their packages, and the nodes that they are assigned to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, select

from sealcore import errors, kind, messages, seal
from sealcore.seal import Seal
from triseal import metadata
from triseal.loadable import KINDS, SERVICE
from triseal.package import Package
from triseal.site.errors import NotAssigned, UnknownService
from triseal.site.records import tables
from triseal.site.records.placement import Place

# To build a statement takes longer than SQLite's answer: what is asked often is built once.
_BY_NAME = select(tables.services).where(tables.services.c.name == bindparam("wanted"))
_PACKAGE = select(tables.packages).where(tables.packages.c.digest == bindparam("wanted"))
_ASSIGNED = select(tables.assignments.c.node).where(
    tables.assignments.c.node == bindparam("at_node"),
    tables.assignments.c.service == bindparam("at_service"),
)


def keep(connection: Connection, store: Seal, digest: bytes, package: Package, now: int) -> None:
    """Store a package that has passed `rules.intake`, and make it the service's newest one.

    Args:
        connection: a writing transaction.
        store: the parsed Store seal.
        digest: digest of the package: SHA-256 of the Store seal.
        package: the package.
        now: the time, Unix seconds.
    """
    packages, services = tables.packages, tables.services
    known = select(func.count()).where(packages.c.digest == digest)
    if not connection.execute(known).scalar_one():
        connection.execute(
            packages.insert().values(
                digest=digest,
                service=store.service,
                executable=package.executable,
                metadata=package.metadata,
                developer_seal=package.developer_seal,
                store_seal=package.store_seal,
                added_at=now,
            )
        )
    values = {
        "package": digest,
        "service_version": store.service_version,
        "security_version": store.security_version,
    }
    if find(connection, store.service) is None:
        connection.execute(services.insert().values(name=store.service, **values))
    else:
        which = services.c.name == store.service
        connection.execute(services.update().where(which).values(values))


def get(connection: Connection, name: str) -> Row[Any]:
    """Return the row of a service.

    Args:
        connection: any transaction.
        name: name of the service.

    Raises:
        UnknownService: there is no such service.
    """
    row = find(connection, name)
    if row is None:
        raise UnknownService(f"there is no service {name}")
    return row


def load(connection: Connection, digest: bytes) -> Package:
    """Return a package as it was taken in.

    Args:
        connection: any transaction.
        digest: digest of the package, 32 bytes.
    """
    row = connection.execute(_PACKAGE, {"wanted": digest}).one()
    entry = metadata.parse(row.metadata).entry
    return Package(entry, row.executable, row.metadata, row.developer_seal, row.store_seal)


def version_of(connection: Connection, digest: bytes) -> str:
    """Return the version of a package, such as "1.2.0".

    Args:
        connection: any transaction.
        digest: digest of the package, 32 bytes.
    """
    column = tables.packages.c.store_seal
    store = connection.execute(
        select(column).where(tables.packages.c.digest == digest)
    ).scalar_one()
    return str(seal.parse(store, seal.STORE).service_version)


def lasts(connection: Connection, digest: bytes) -> bool:
    """Tell whether a package runs on after the end of its site seal: it is no service.

    Args:
        connection: any transaction.
        digest: digest of the package, 32 bytes.
    """
    column = tables.packages.c.metadata
    data = connection.execute(select(column).where(tables.packages.c.digest == digest)).scalar_one()
    return bool(kind.of(data))


def lasting(connection: Connection) -> dict[str, str]:
    """Return the names of packages that run on after the end of their seals, with their kinds.

    Args:
        connection: any transaction.
    """
    packages, table = tables.packages.c, tables.services.c
    query = select(table.name, packages.metadata).where(packages.digest == table.package)
    found = {row.name: KINDS[kind.of(row.metadata)] for row in connection.execute(query)}
    return {name: one for name, one in found.items() if one != SERVICE}


def find(connection: Connection, name: str) -> Row[Any] | None:
    """Return the row of a service, or None if there is no such service.

    Args:
        connection: any transaction.
        name: name of the service.
    """
    return connection.execute(_BY_NAME, {"wanted": name}).one_or_none()


def assign(connection: Connection, place: Place, now: int, *, by_rule: bool = False) -> None:
    """Assign a service to a node.

    If it is assigned already, a person's wish outlives the rules, and a rule changes nothing.

    Args:
        connection: a writing transaction.
        place: the service and its node.
        now: the time, Unix seconds.
        by_rule: whether a rule wants it, and no person does.

    Raises:
        TooLarge: the node has as many services as it can name in one message, or this is an
            agent or a firmware and it has another one.
    """
    table = tables.assignments
    if is_assigned(connection, place):
        if not by_rule:
            connection.execute(table.update().where(_at(place)).values(by_rule=False))
        return
    here = assigned(connection, place.node)
    if len(here) >= messages.MAX_LIST:
        raise errors.TooLarge(f"more than {messages.MAX_LIST} services on {place.node}")
    kinds = lasting(connection)
    own = kinds.get(place.service)
    others = [name for name in here if own and kinds.get(name) == own]
    if others:
        raise errors.TooLarge(f"{place.node} has the {own} {min(others)}: undeploy that first")
    row = {"node": place.node, "service": place.service, "assigned_at": now, "by_rule": by_rule}
    connection.execute(table.insert().values(row))


def unassign(connection: Connection, place: Place) -> None:
    """Take a service from a node.

    Args:
        connection: a writing transaction.
        place: the service and its node.

    Raises:
        NotAssigned: the service is not assigned to the node.
    """
    if not connection.execute(tables.assignments.delete().where(_at(place))).rowcount:
        raise NotAssigned(f"{place.service} is not assigned to {place.node}")


def assigned(connection: Connection, node: str) -> list[str]:
    """Return the names of the services of a node, sorted.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    table = tables.assignments.c
    query = select(table.service).where(table.node == node).order_by(table.service)
    return list(connection.scalars(query))


def nodes_of(connection: Connection, service: str) -> list[str]:
    """Return the names of the nodes that a service is assigned to, sorted.

    Args:
        connection: any transaction.
        service: name of the service.
    """
    table = tables.assignments.c
    query = select(table.node).where(table.service == service).order_by(table.node)
    return list(connection.scalars(query))


def is_assigned(connection: Connection, place: Place) -> bool:
    """Tell whether a service is assigned to a node.

    Args:
        connection: any transaction.
        place: the service and its node.
    """
    here = {"at_node": place.node, "at_service": place.service}
    return connection.execute(_ASSIGNED, here).first() is not None


def by_rules(connection: Connection) -> set[Place]:
    """Return the places that rules alone have assigned, see `deployrules`.

    Args:
        connection: any transaction.
    """
    table = tables.assignments.c
    rows = connection.execute(select(table.node, table.service).where(table.by_rule))
    return {Place(row.node, row.service) for row in rows}


def drop(connection: Connection, name: str) -> None:
    """Delete a service with all its releases and grants.

    Args:
        connection: a writing transaction.
        name: name of the service, which is assigned to no node.
    """
    for table in (tables.releases, tables.grants):
        connection.execute(table.delete().where(table.c.service == name))
    connection.execute(tables.services.delete().where(tables.services.c.name == name))
    connection.execute(tables.packages.delete().where(tables.packages.c.service == name))


def _at(place: Place) -> ColumnElement[bool]:
    table = tables.assignments.c
    return (table.node == place.node) & (table.service == place.service)
