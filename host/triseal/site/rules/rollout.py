"""Rollouts: nodes move to the newest release of a service while others are held, and back.

A node gets what the site seals for it. Nothing of a new release, neither a seal nor a file, reaches
a node that was not moved on. A node that took a higher security version can't go back: it would
refuse the lower one (anti-rollback, step 9 of `sealcore.custody`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import Connection, select

from sealcore import upstream
from sealcore.bundle import TrustBundle
from sealcore.seal import Seal
from triseal.site.errors import NotAssigned, NothingHeld, NoWayBack, OtherVersion
from triseal.site.records import ledger, nodes, releases, reports, services, tables
from triseal.site.records.holdings import NO_SERIAL
from triseal.site.records.placement import Place
from triseal.site.rules import agents

_NAMED = 5  # number of nodes that a refusal names


def forward(
    connection: Connection,
    trusted: TrustBundle,
    service: str,
    on: Sequence[str] | None,
    version: str,
    now: int,
) -> list[Place]:
    """Move nodes to the newest release of a service.

    Args:
        connection: a writing transaction.
        trusted: the newest trust bundle.
        service: name of the service.
        on: names of nodes that have the service; None for all nodes, also later ones.
        version: the version that the newest release must have; "" for any.
        now: the time, Unix seconds.

    Returns: the places that get the newest release now, on nodes with a key.

    Raises:
        UnknownService, UnknownNode, NodeRetired: there is no such service or node.
        OtherVersion: the newest release has another version.
        NotAssigned: a node does not have the service.
        UnfitBoards: it is an agent, and a node can't take it.
        SealError: no node would accept the release now.
    """
    newest = services.get(connection, service)
    if version not in ("", newest.service_version):
        raise OtherVersion(
            f"the newest version of {service} is {newest.service_version}, not {version}"
        )
    _check_usable(connection, trusted, newest.package, now)
    places = _places(connection, service, on)
    agents.check(connection, newest.package, [place.node for place in places])
    if on is None:
        releases.free(connection, service)
    elif releases.held(connection, service) is not None:
        for place in places:
            releases.give(connection, place, newest.package)
    return places


def back(
    connection: Connection,
    trusted: TrustBundle,
    service: str,
    on: Sequence[str] | None,
    now: int,
) -> list[Place]:
    """Move nodes back to the release at which the others are held; either all of them or none.

    Args:
        connection: a writing transaction.
        trusted: the newest trust bundle.
        service: name of the service.
        on: names of nodes that have the service; None for all nodes that were moved on.
        now: the time, Unix seconds.

    Returns: the places that get the held release now.

    Raises:
        UnknownService, UnknownNode, NodeRetired, NotAssigned, SealError: as `forward`.
        NothingHeld: the service is not held back.
        NoWayBack: a node was given a higher security version.
    """
    services.get(connection, service)
    held = releases.held(connection, service)
    if held is None:
        raise NothingHeld(f"all nodes get the newest version of {service}")
    target = _check_usable(connection, trusted, held, now)
    if on is None:
        moved = [Place(node, service) for node in sorted(releases.moved(connection, service))]
        alive = set(nodes_with(connection, service))
        places = [place for place in moved if place.node in alive]
    else:
        moved = places = _places(connection, service, on)
    barred = {place for place in moved if _highest(connection, place) > target.security_version}
    _check_way_back(target, [place.node for place in places if place in barred])
    for place in moved:  # also if the service is no longer assigned: it may be assigned again
        if place not in barred:
            releases.take(connection, place)
    return places


def wave(connection: Connection, service: str, share: int) -> list[str]:
    """Choose nodes so that a share of all nodes has the newest release.

    Args:
        connection: any transaction.
        service: name of the service.
        share: percent of the enrolled nodes that have the service, 1 to 100, rounded up.

    Returns: names of nodes in the order in which they move: those that have the newest release
        already, then others by name.

    Raises:
        UnknownService: there is no such service.
    """
    newest = services.get(connection, service).package
    alive = nodes_with(connection, service, enrolled=True)
    has = {n for n in alive if releases.due(connection, Place(n, service), newest) == newest}
    more = math.ceil(len(alive) * share / 100) - len(has)
    return sorted(has) + [node for node in alive if node not in has][: max(0, more)]


def _places(connection: Connection, service: str, on: Sequence[str] | None) -> list[Place]:
    if on is None:
        return [Place(node, service) for node in nodes_with(connection, service, enrolled=True)]
    places = [Place(node, service) for node in on]
    for place in places:
        nodes.get(connection, place.node)
        if not services.is_assigned(connection, place):
            raise NotAssigned(f"{service} is not assigned to {place.node}")
    return places


def _check_usable(connection: Connection, trusted: TrustBundle, package: bytes, now: int) -> Seal:
    """Return the Store seal of a package, after checking that the site can seal the package now.

    Otherwise the moved nodes would be left with nothing.
    """
    opened = services.load(connection, package).opened()
    return upstream.verify_package(opened, trusted, now)


def _check_way_back(held: Seal, stuck: Sequence[str]) -> None:
    if stuck:
        more = f" and {len(stuck) - _NAMED} more" if len(stuck) > _NAMED else ""
        raise NoWayBack(
            f"{', '.join(stuck[:_NAMED])}{more}: security version {held.security_version}"
            f" of {held.service_version} is below what they were given"
        )


def _highest(connection: Connection, place: Place) -> int:
    """Return the highest security version that a node may have accepted or may still accept.

    It counts all that was sealed for the node's key, or only what the node keeps if it has said
    that it refused the rest.
    """
    kept = ledger.content_of(connection, reports.held_on(connection, place) or NO_SERIAL)
    if kept is not None:
        return int(kept.security_version)
    spki = tables.nodes.c.spki
    key = connection.execute(select(spki).where(tables.nodes.c.name == place.node)).scalar_one()
    given = [seal for seal in ledger.contents(connection, place) if seal.spki == key]
    return max((int(seal.security_version) for seal in given), default=0)


def nodes_with(connection: Connection, service: str, *, enrolled: bool = False) -> list[str]:
    """Return the names of the nodes that have a service and are not retired, sorted.

    Args:
        connection: any transaction.
        service: name of the service.
        enrolled: whether only nodes with a key count.
    """
    table = tables.nodes.c
    query = (
        select(table.name)
        .join(tables.assignments, tables.assignments.c.node == table.name)
        .where(tables.assignments.c.service == service, table.retired_at.is_(None))
    )
    if enrolled:
        query = query.where(table.spki.is_not(None))
    return list(connection.scalars(query.order_by(table.name)))
