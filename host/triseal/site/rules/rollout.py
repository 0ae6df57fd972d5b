"""Nodes are moved on to the newest release of a service while it is held back, and taken back.

What a node gets is what the site seals for it, so nothing of a release reaches a node that was not
moved on: no seal, and no file. A node that took a higher security version can't go back: it would
refuse the lower one (step 9 of `custody`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import Connection, select

from sealcore import upstream
from sealcore.seal import Seal
from triseal.site.errors import NotAssigned, NothingHeld, NoWayBack, OtherVersion
from triseal.site.records import ledger, nodes, releases, reports, services, tables
from triseal.site.records.holdings import NO_SERIAL
from triseal.site.records.placement import Place
from triseal.site.rules import trust

_NAMED = 5  # nodes that a refusal names


def forward(
    connection: Connection, service: str, on: Sequence[str] | None, version: str, now: int
) -> list[Place]:
    """Move nodes on to the newest release, or all, those that come later too.

    Args:
        service: its name.
        on: names of nodes that have the service; None for all.
        version: what the newest one must be; "" for any.
        now: Unix seconds.

    Returns: the places that have it now, those of nodes with a key.
    Raises: UnknownService, OtherVersion, UnknownNode, NodeRetired, NotAssigned; SealError where no
        node would take the release now.
    """
    newest = services.get(connection, service)
    if version not in ("", newest.service_version):
        raise OtherVersion(f"the newest of {service} is {newest.service_version}, not {version}")
    _check_usable(connection, newest.package, now)
    places = _places(connection, service, on)
    if on is None:
        releases.free(connection, service)
    elif releases.held(connection, service) is not None:
        for place in places:
            releases.give(connection, place, newest.package)
    return places


def back(connection: Connection, service: str, on: Sequence[str] | None, now: int) -> list[Place]:
    """Take nodes back to the release that those have which were not moved on; all or none.

    Args: as `forward`; `on` None for all that were moved on.

    Returns: the places that have it now.
    Raises: as `forward`; NothingHeld; NoWayBack.
    """
    services.get(connection, service)
    held = releases.held(connection, service)
    if held is None:
        raise NothingHeld(f"all nodes get the newest of {service}")
    target = _check_usable(connection, held, now)
    if on is None:
        moved = [Place(node, service) for node in sorted(releases.moved(connection, service))]
        alive = set(_alive(connection, service))
        places = [place for place in moved if place.node in alive]
    else:
        moved = places = _places(connection, service, on)
    barred = {one for one in moved if _highest(connection, one) > target.security_version}
    _check_way_back(target, [one.node for one in places if one in barred])
    for place in moved:  # also where the service was taken away: it may come again
        if place not in barred:
            releases.take(connection, place)
    return places


def wave(connection: Connection, service: str, share: int) -> list[str]:
    """So many nodes that a share of them has the newest release: those that have it, and more.

    Args:
        share: percent of the enrolled nodes that have the service; 1 to 100, rounded up.

    Returns: their names, in the order in which nodes are moved: those that have it, then by name.
    Raises: UnknownService.
    """
    newest = services.get(connection, service).package
    alive = _alive(connection, service, enrolled=True)
    has = {n for n in alive if releases.due(connection, Place(n, service), newest) == newest}
    more = math.ceil(len(alive) * share / 100) - len(has)
    return sorted(has) + [node for node in alive if node not in has][: max(0, more)]


def _places(connection: Connection, service: str, on: Sequence[str] | None) -> list[Place]:
    if on is None:
        return [Place(node, service) for node in _alive(connection, service, enrolled=True)]
    places = [Place(node, service) for node in on]
    for place in places:
        nodes.get(connection, place.node)
        if not services.is_assigned(connection, place):
            raise NotAssigned(f"{service} to {place.node}")
    return places


def _check_usable(connection: Connection, package: bytes, now: int) -> Seal:
    """The Store seal. Nodes must not be moved to what the site could not seal: they would be left
    with nothing."""
    opened = services.load(connection, package).opened()
    return upstream.verify_package(opened, trust.current(connection), now)


def _check_way_back(held: Seal, stuck: Sequence[str]) -> None:
    if stuck:
        more = f" and {len(stuck) - _NAMED} more" if len(stuck) > _NAMED else ""
        raise NoWayBack(
            f"{', '.join(stuck[:_NAMED])}{more}: security version {held.security_version}"
            f" of {held.service_version} is below what they were given"
        )


def _highest(connection: Connection, place: Place) -> int:
    """The highest security version that a node may have accepted, or may still accept: of all that
    was sealed for its key, or of what it holds on to if it said that it refuses the rest."""
    kept = ledger.content_of(connection, reports.held_on(connection, place) or NO_SERIAL)
    if kept is not None:
        return int(kept.security_version)
    spki = tables.nodes.c.spki
    key = connection.execute(select(spki).where(tables.nodes.c.name == place.node)).scalar_one()
    given = [one for one in ledger.contents(connection, place) if one.spki == key]
    return max((int(one.security_version) for one in given), default=0)


def _alive(connection: Connection, service: str, *, enrolled: bool = False) -> list[str]:
    """The nodes that have a service and are not retired, by name; or only those with a key."""
    table = tables.nodes.c
    query = (
        select(table.name)
        .join(tables.assignments, tables.assignments.c.node == table.name)
        .where(tables.assignments.c.service == service, table.retired_at.is_(None))
    )
    if enrolled:
        query = query.where(table.spki.is_not(None))
    return list(connection.scalars(query.order_by(table.name)))
