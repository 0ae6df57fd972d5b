"""Ends for what a site no longer needs: nodes are forgotten or renamed, services are removed."""

from __future__ import annotations

from time import gmtime, strftime

from sqlalchemy import Connection, Table, func, select, update

from triseal.site.errors import MayRun, NotRetired, StillNeeded, UnknownNode
from triseal.site.records import (
    deployrules,
    labels,
    nodes,
    nodesettings,
    reports,
    restarts,
    services,
    tables,
    tokens,
    twins,
    vitals,
)
from triseal.site.rules.guarantee import Guarantee

_SHOWN = 8


def check_ended(guarantee: Guarantee, what: str) -> None:
    """Check that what is to be deleted runs nowhere.

    Args:
        guarantee: when it has stopped everywhere.
        what: what may run: its name, or "a service".

    Raises:
        MayRun: it may still run somewhere.
    """
    if guarantee.waiting:
        node, until = next(iter(guarantee.waiting.items()))
        raise MayRun(f"{what} may run on {node} until {_time(until)}")
    if guarantee.grace:
        node, seconds = next(iter(guarantee.grace.items()))
        raise MayRun(f"{what} may run on {node} for {seconds} s after each power loss (--grace)")


def _time(seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(seconds))


def forget(connection: Connection, node: str) -> None:
    """Delete a retired node, whose name is free afterwards. Its seals stay in the ledger.

    Args:
        connection: a writing transaction.
        node: name of the node.

    Raises:
        UnknownNode: there is no such node.
        NotRetired: it is not retired.
    """
    row = connection.execute(select(tables.nodes).where(tables.nodes.c.name == node)).one_or_none()
    if row is None:
        raise UnknownNode(f"there is no node {node}")
    if row.retired_at is None:
        raise NotRetired(f"node {node} is not retired")
    _delete(connection, node)


def _delete(connection: Connection, node: str) -> None:
    labels.forget(connection, [node])
    tables_of_node: tuple[Table, ...] = (
        tables.assignments,
        tables.grants,
        tables.releases,
        tables.holdings,
        tables.tokens,
        reports.refusals,
        restarts.restarts,
        twins.twins,
        vitals.vitals,
    )
    nodesettings.forget(connection, node)
    for table in tables_of_node:
        connection.execute(table.delete().where(table.c.node == node))
    connection.execute(tables.nodes.delete().where(tables.nodes.c.name == node))


def rename(connection: Connection, old: str, new: str, now: int) -> bool:
    """Give what a node has to a new name.

    The name of an enrolled node is in its certificate and in each of its seals. So the old name is
    retired, and the board takes the new one when it is provisioned.

    Args:
        connection: a writing transaction.
        old: name of the node.
        new: the new name.
        now: the time, Unix seconds.

    Returns: whether the node was enrolled, so that the old name is retired and not deleted.

    Raises:
        UnknownNode, NodeRetired: as `nodes.get`.
        BadLabel, NameTaken: as `nodes.add`.
    """
    row = nodes.get(connection, old)
    nodes.add(connection, new, now)
    for table in (tables.assignments, tables.grants, tables.releases, labels.labels):
        connection.execute(update(table).where(table.c.node == old).values(node=new))
    if row.spki is None:
        _delete(connection, old)
        return False
    nodes.retire(connection, old, now)
    tokens.void(connection, old)
    return True


def check_unwanted(connection: Connection, service: str) -> None:
    """Check that no node should have a service.

    Args:
        connection: any transaction.
        service: name of the service.

    Raises:
        UnknownService: there is no such service.
        StillNeeded: it is assigned to a node, or a rule wants it.
    """
    services.get(connection, service)
    on = services.nodes_of(connection, service)
    if on:
        more = ", ..." if len(on) > _SHOWN else ""
        raise StillNeeded(f"{service} is assigned to {', '.join(on[:_SHOWN])}{more}")
    wanting = deployrules.all_rules(connection, service)
    if wanting:
        raise StillNeeded(f"a rule wants {service} where {wanting[0].selector}")


def remove_service(connection: Connection, service: str) -> None:
    """Delete a service with its releases and grants. Its seals stay in the ledger.

    Args:
        connection: a writing transaction.
        service: name of the service, see `check_unwanted` and `check_ended`.
    """
    for table in (tables.holdings, restarts.restarts):
        connection.execute(table.delete().where(table.c.service == service))
    services.drop(connection, service)


def set_lifetime(connection: Connection, seconds: int) -> None:
    """Change the lifetime of the seals that the site issues from now on.

    Args:
        connection: a writing transaction.
        seconds: the lifetime.
    """
    connection.execute(tables.site.update().values(lifetime=seconds))


def last_longer(connection: Connection, seconds: int) -> int | None:
    """Return the last second in which a seal with a longer lifetime is valid.

    Args:
        connection: any transaction.
        seconds: the lifetime of the seals that don't count.

    Returns: Unix seconds; None if there is no such seal.
    """
    table = tables.seals.c
    query = select(func.max(table.not_after)).where(table.not_after - table.not_before > seconds)
    found: int | None = connection.execute(query).scalar_one()
    return found
