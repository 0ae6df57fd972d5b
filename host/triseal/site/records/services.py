"""The services of a site: packages that passed the manager's check, and where they are assigned."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from sealcore import errors, messages, names, seal, upstream
from sealcore.compat import sha256
from sealcore.seal import Seal
from triseal import loadable, metadata, version
from triseal.errors import BadMetadata
from triseal.package import Package
from triseal.site.errors import NotAssigned, OtherDeveloper, UnknownService
from triseal.site.records import releases, tables
from triseal.site.records.placement import Place
from triseal.site.rules import trust


def add(
    connection: Connection,
    package: Package,
    now: int,
    *,
    other_developer: bool = False,
    hold: bool = False,
) -> Seal:
    """Take in a package, or a newer one of a service that the site has.

    It is checked as a node would (custody's steps without 2-4): the Store's seal, and the
    developer's with the copy of the key that the site trusts, not the Store's.

    Args:
        other_developer: let the service pass to another developer, its grants included.
        hold: no node gets it until it is rolled out (`rollout`). Else all do, and what was held
            back before is void. Of a service's first package there is nothing to hold, and the same
            package once more changes nothing.

    Returns: the Store seal.
    Raises:
        SealError: what the check refuses; Rollback for a package that is not newer.
        BadMetadata: the metadata is not what a node can use.
        BadExecutable: nothing that MicroPython can load.
        OtherDeveloper: the service has been of another developer so far.
    """
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)
    found = _row(connection, developer.service)
    floor = found.security_version if found else 0
    store = upstream.verify_package(package.opened(), trust.current(connection), now, floor)
    described = metadata.parse(package.metadata)
    if (described.name, described.entry) != (store.service, package.name):
        raise BadMetadata(f"it describes {described.entry} of {described.name}")
    loadable.check(package.name, package.executable)
    digest = sha256(package.store_seal)
    if found is not None and found.package != digest:
        before = load(connection, found.package)
        _check_newer(store, found.service_version, package, before)
        if not other_developer:
            _check_same_developer(developer, before)
        if hold:
            releases.hold(connection, store.service, found.package)
        else:
            releases.free(connection, store.service)
    _keep(connection, store, digest, package, now)
    return store


def _check_newer(store: Seal, had: str, package: Package, before: Package) -> None:
    """A version only once and only upwards; a Store may seal the same content anew."""
    new, old = version.parse(store.service_version), version.parse(had)
    if new < old or (new == old and package.developer_seal != before.developer_seal):
        raise errors.Rollback(f"version {store.service_version}, had {had}")


def _check_same_developer(developer: Seal, before: Package) -> None:
    known = seal.parse(before.developer_seal, seal.DEVELOPER)
    if known.issuer != developer.issuer:
        was, comes = names.common_name(known.issuer), names.common_name(developer.issuer)
        raise OtherDeveloper(f"{developer.service} was of {was}, this is of {comes}")


def _keep(connection: Connection, store: Seal, digest: bytes, package: Package, now: int) -> None:
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
    if _row(connection, store.service) is None:
        connection.execute(services.insert().values(name=store.service, **values))
    else:
        which = services.c.name == store.service
        connection.execute(services.update().where(which).values(values))


def get(connection: Connection, name: str) -> Row[Any]:
    """The row of a service; raises UnknownService."""
    row = _row(connection, name)
    if row is None:
        raise UnknownService(f"no service {name}")
    return row


def load(connection: Connection, digest: bytes) -> Package:
    """A package as it was taken in."""
    table = tables.packages
    row = connection.execute(select(table).where(table.c.digest == digest)).one()
    entry = metadata.parse(row.metadata).entry
    return Package(entry, row.executable, row.metadata, row.developer_seal, row.store_seal)


def version_of(connection: Connection, digest: bytes) -> str:
    """The version of a package."""
    column = tables.packages.c.store_seal
    store = connection.execute(
        select(column).where(tables.packages.c.digest == digest)
    ).scalar_one()
    return str(seal.parse(store, seal.STORE).service_version)


def _row(connection: Connection, name: str) -> Row[Any] | None:
    table = tables.services
    return connection.execute(select(table).where(table.c.name == name)).one_or_none()


def assign(connection: Connection, place: Place, now: int) -> None:
    """Assign a service to a node; nothing happens if it is already.

    Raises:
        TooLarge: the node has as many services as it can name in one message.
    """
    table = tables.assignments
    if is_assigned(connection, place):
        return
    if len(assigned(connection, place.node)) >= messages.MAX_LIST:
        raise errors.TooLarge(f"more than {messages.MAX_LIST} services on {place.node}")
    connection.execute(
        table.insert().values(node=place.node, service=place.service, assigned_at=now)
    )


def unassign(connection: Connection, place: Place) -> None:
    """Take a service from a node; raises NotAssigned."""
    if not connection.execute(tables.assignments.delete().where(_at(place))).rowcount:
        raise NotAssigned(f"{place.service} to {place.node}")


def assigned(connection: Connection, node: str) -> list[str]:
    """The services of a node, by name."""
    table = tables.assignments.c
    query = select(table.service).where(table.node == node).order_by(table.service)
    return list(connection.scalars(query))


def nodes_of(connection: Connection, service: str) -> list[str]:
    """The nodes that a service is assigned to, by name."""
    table = tables.assignments.c
    query = select(table.node).where(table.service == service).order_by(table.node)
    return list(connection.scalars(query))


def is_assigned(connection: Connection, place: Place) -> bool:
    """Whether a service is assigned to a node."""
    query = select(tables.assignments.c.node).where(_at(place))
    return connection.execute(query).first() is not None


def _at(place: Place) -> ColumnElement[bool]:
    table = tables.assignments.c
    return (table.node == place.node) & (table.service == place.service)
