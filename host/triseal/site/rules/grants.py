"""The grants of services, on every node or on one. Everything that is not granted is denied."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection, bindparam, or_, select

from sealcore import errors
from sealcore import grants as capabilities
from triseal import metadata
from triseal.site.errors import GrantedEverywhere, NoSuchGrant, NotRequested
from triseal.site.records import nodes, releases, services, tables

_TABLE = tables.grants.c
_OF_SERVICE = select(_TABLE.node, _TABLE.grant).where(_TABLE.service == bindparam("wanted"))
_OF_PLACE = select(_TABLE.grant).where(
    _TABLE.service == bindparam("wanted"),
    or_(_TABLE.node == tables.EVERY_NODE, _TABLE.node == bindparam("on_node")),
)
MAX_GRANTS = 64  # in one site seal


def grant(
    connection: Connection,
    service: str,
    wanted: Sequence[str],
    node: str = tables.EVERY_NODE,
    *,
    force: bool = False,
) -> None:
    """Give grants to a service.

    Args:
        connection: a writing transaction.
        service: name of the service.
        wanted: the grants, in the form of `sealcore.grants`.
        node: name of the node on which they hold; EVERY_NODE for all nodes, also later ones.
        force: whether to give grants too that the service's metadata does not ask for. Without it
            such
            a grant is refused: it is most likely a typing error, and a person who looked at the
            service would not expect it.

    Raises:
        UnknownService, UnknownNode, NodeRetired: there is no such service or node.
        BadGrant: a grant is malformed.
        NotRequested: the service does not ask for a grant.
        TooLarge: the service has more than MAX_GRANTS grants. Fewer may be too many for a seal too,
            which `sealing.check_fits` finds out for the places that are concerned.
    """
    requested = _requested(connection, service)
    if node != tables.EVERY_NODE:
        nodes.get(connection, node)
    for capability in wanted:
        capabilities.check(capability)
        if not force:
            _check_requested(service, capability, requested)
    have = set(_given(connection, service, node))
    fresh = [capability for capability in dict.fromkeys(wanted) if capability not in have]
    for capability in fresh:
        row = {"service": service, "node": node, "grant": capability}
        connection.execute(tables.grants.insert().values(row))
    if len(have) + len(fresh) > MAX_GRANTS:
        raise errors.TooLarge(f"more than {MAX_GRANTS} grants")


def revoke(
    connection: Connection, service: str, unwanted: Sequence[str], node: str = tables.EVERY_NODE
) -> None:
    """Take grants from a service.

    Args:
        connection: a writing transaction.
        service: name of the service.
        unwanted: the grants, in the form in which they were given.
        node: name of the node to take them from; EVERY_NODE takes them from everywhere, also from
            nodes that have them on their own.

    Raises:
        UnknownService: there is no such service.
        NoSuchGrant: the service does not have the grant there.
        GrantedEverywhere: the service has the grant on all nodes, not on this one alone.
    """
    services.get(connection, service)
    table = tables.grants
    for capability in dict.fromkeys(unwanted):
        which = (table.c.service == service) & (table.c.grant == capability)
        here = which if node == tables.EVERY_NODE else which & (table.c.node == node)
        if connection.execute(table.delete().where(here)).rowcount:
            continue
        everywhere = which & (table.c.node == tables.EVERY_NODE)
        if connection.execute(select(table.c.node).where(everywhere)).first():
            raise GrantedEverywhere(f"{service} has {capability} on all nodes")
        raise NoSuchGrant(f"{service} does not have {capability} there")


def effective(connection: Connection, service: str, node: str) -> tuple[str, ...]:
    """Return all grants of a service on a node, sorted.

    Args:
        connection: any transaction.
        service: name of the service.
        node: name of the node.
    """
    return tuple(sorted(set(_given(connection, service, node))))


def effective_everywhere(connection: Connection) -> Callable[[str, str], tuple[str, ...]]:
    """Read all grants at once.

    Args:
        connection: any transaction.

    Returns: a function with the result of `effective`, for a service and a node.
    """
    given: dict[tuple[str, str], set[str]] = {}
    for row in connection.execute(select(tables.grants)):
        given.setdefault((row.service, row.node), set()).add(row.grant)

    @functools.cache
    def everywhere(service: str) -> tuple[str, ...]:
        return tuple(sorted(given.get((service, tables.EVERY_NODE), ())))

    def of(service: str, node: str) -> tuple[str, ...]:
        here = given.get((service, node))
        return tuple(sorted(here.union(everywhere(service)))) if here else everywhere(service)

    return of


def of_node(connection: Connection, node: str) -> dict[str, tuple[str, ...]]:
    """Return all grants of the services that are assigned to a node, sorted, by service.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    table, assigned = tables.grants.c, tables.assignments.c
    query = (
        select(table.service, table.grant)
        .join(tables.assignments, assigned.service == table.service)
        .where(assigned.node == node, table.node.in_((tables.EVERY_NODE, node)))
    )
    found: dict[str, set[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.service, set()).add(row.grant)
    return {service: tuple(sorted(grants)) for service, grants in found.items()}


def of_service(connection: Connection, service: str) -> dict[str, frozenset[str]]:
    """Return the grants of a service by node; those under EVERY_NODE hold on all nodes.

    Args:
        connection: any transaction.
        service: name of the service.
    """
    found: dict[str, set[str]] = {}
    for row in connection.execute(_OF_SERVICE, {"wanted": service}):
        found.setdefault(row.node, set()).add(row.grant)
    return {node: frozenset(grants) for node, grants in found.items()}


def _given(connection: Connection, service: str, node: str) -> Iterable[str]:
    return connection.scalars(_OF_PLACE, {"wanted": service, "on_node": node})


def _requested(connection: Connection, service: str) -> list[str]:
    """Return the capabilities that any release in use asks for, and those of the newest one."""
    newest = services.get(connection, service).package
    return [
        capability
        for package in releases.in_use(connection, service, newest)
        for capability in metadata.parse(services.load(connection, package).metadata).capabilities
    ]


def _check_requested(service: str, wanted: str, requested: Sequence[str]) -> None:
    kind, _, what = wanted.partition(":")
    try:
        capabilities.require(requested, kind, what)
    except errors.NotGranted:
        raise NotRequested(f"{service} does not ask for {wanted}") from None
