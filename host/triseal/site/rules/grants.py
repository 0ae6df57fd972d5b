"""Grants: what the site gives a service, on every node or on one. All else is denied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, or_, select

from sealcore import errors
from sealcore import grants as capabilities
from triseal import metadata
from triseal.site.errors import GrantedEverywhere, NoSuchGrant, NotRequested
from triseal.site.records import nodes, releases, services, tables

MAX_GRANTS = 64  # that a site seal holds


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
        service: its name.
        wanted: grants, as `sealcore.grants` writes them.
        node: the node where they hold; EVERY_NODE for all, those that come later too.
        force: also give what the service's metadata does not ask for. Without it that is refused:
            nobody who looked at the service expects it to have that power, and most often it is
            a slip of the pen.

    Raises:
        UnknownService, UnknownNode, NodeRetired, BadGrant, NotRequested, TooLarge. The last one not
        for all that a seal can't hold: `sealing.check_fits` knows the places that this concerns.
    """
    requested = _requested(connection, service)
    if node != tables.EVERY_NODE:
        nodes.get(connection, node)
    for one in wanted:
        capabilities.check(one)
        if not force:
            _check_requested(service, one, requested)
    have = set(_given(connection, service, node))
    fresh = [one for one in dict.fromkeys(wanted) if one not in have]
    for one in fresh:
        connection.execute(tables.grants.insert().values(service=service, node=node, grant=one))
    if len(have) + len(fresh) > MAX_GRANTS:
        raise errors.TooLarge(f"more than {MAX_GRANTS} grants")


def revoke(
    connection: Connection, service: str, unwanted: Sequence[str], node: str = tables.EVERY_NODE
) -> None:
    """Take grants from a service.

    Args:
        unwanted: grants as they were given.
        node: where from; EVERY_NODE takes them from everywhere, also where a node has its own.

    Raises:
        UnknownService, NoSuchGrant, GrantedEverywhere.
    """
    services.get(connection, service)
    table = tables.grants
    for one in dict.fromkeys(unwanted):
        which = (table.c.service == service) & (table.c.grant == one)
        here = which if node == tables.EVERY_NODE else which & (table.c.node == node)
        if connection.execute(table.delete().where(here)).rowcount:
            continue
        everywhere = which & (table.c.node == tables.EVERY_NODE)
        if connection.execute(select(table.c.node).where(everywhere)).first():
            raise GrantedEverywhere(one)
        raise NoSuchGrant(f"{one} to {service}")


def effective(connection: Connection, service: str, node: str) -> tuple[str, ...]:
    """All grants of a service on a node, in one order."""
    return tuple(sorted(set(_given(connection, service, node))))


def _given(connection: Connection, service: str, node: str) -> Iterable[str]:
    table = tables.grants.c
    where = or_(table.node == tables.EVERY_NODE, table.node == node)
    return connection.scalars(select(table.grant).where(table.service == service, where))


def _requested(connection: Connection, service: str) -> list[str]:
    """What any release in use asks for, and the newest, which needs its grants when it comes."""
    newest = services.get(connection, service).package
    return [
        one
        for package in releases.in_use(connection, service, newest)
        for one in metadata.parse(services.load(connection, package).metadata).capabilities
    ]


def _check_requested(service: str, wanted: str, requested: Sequence[str]) -> None:
    kind, _, what = wanted.partition(":")
    try:
        capabilities.require(requested, kind, what)
    except errors.NotGranted:
        raise NotRequested(f"{service} does not ask for {wanted}") from None
