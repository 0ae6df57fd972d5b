"""The observed state: what each node holds, as far as it has reported.

A row for a place (a service on a node) exists from the moment a seal for it may leave the site
until the node reports that it holds nothing of the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, select

from triseal import database
from triseal.site.records import tables
from triseal.site.records.placement import Place

SENT = "sent"
RUNNING = "running"
_ALL_OF_PLACE = select(tables.holdings).where(
    tables.holdings.c.node == bindparam("at_node"),
    tables.holdings.c.service == bindparam("at_service"),
)
_STATES = select(tables.holdings.c.service, tables.holdings.c.state, tables.holdings.c.falls).where(
    tables.holdings.c.node == bindparam("at_node")
)
_LOST = tables.holdings.delete().where(
    tables.holdings.c.node == bindparam("at_node"),
    tables.holdings.c.service.in_(bindparam("lost", expanding=True)),
)
NO_SERIAL = b""


def expect(connection: Connection, places: Iterable[Place]) -> None:
    """Note that seals for places are about to leave: the nodes may hold them from now on.

    Args:
        connection: a writing transaction.
        places: the places.
    """
    rows = [
        _row(place, NO_SERIAL, SENT, 0)
        for place in sorted(places, key=lambda place: (place.node, place.service))
    ]
    if rows:
        database.insert_new(connection, tables.holdings, rows)


def confirm(
    connection: Connection,
    place: Place,
    held: bytes,
    service_state: str,
    now: int,
    restarts: int | None = None,
) -> None:
    """Note which seal a node holds and the state of its service, as the node has reported.

    Args:
        connection: a writing transaction.
        place: the service and its node.
        held: serial of the seal, 16 bytes.
        service_state: one of messages.STATES.
        now: the time, Unix seconds.
        restarts: how often the node has restarted the service since it booted; None if it did not
            say.
    """
    values: dict[str, object] = {"serial": held, "state": service_state, "told_at": now}
    before = find(connection, place)
    if before is None:
        row = _row(place, held, service_state, now)
        database.insert_new(connection, tables.holdings, [row])
    elif before.state == RUNNING and _has_fallen(service_state, restarts, before.restarts):
        values["falls"] = before.falls + 1
    if restarts is not None:
        values["restarts"] = restarts
    connection.execute(tables.holdings.update().where(_at(place)).values(values))


def take_down(
    connection: Connection,
    node: str,
    told: Mapping[str, tuple[bytes, str]],
    assigned: Set[str],
    now: int,
) -> None:
    """Replace the record of what a node holds by the list that the node has reported.

    A name that the site never gave to this node is not recorded: nodes must not fill the disk.

    Args:
        connection: a writing transaction.
        node: name of the node.
        told: serial of the seal and state of each service that the node holds, by service.
        assigned: names of the services that are assigned to the node.
        now: the time, Unix seconds.
    """
    recorded = {row.service: row for row in connection.execute(_STATES, {"at_node": node})}
    if lost := recorded.keys() - told.keys():
        connection.execute(_LOST, {"at_node": node, "lost": sorted(lost)})
    rows = []
    for service in sorted(told.keys() & (recorded.keys() | assigned)):
        row, before = _row(Place(node, service), *told[service], now), recorded.get(service)
        if before:
            fallen = before.state == RUNNING and _has_fallen(told[service][1])
            row["falls"] = before.falls + fallen
        rows.append(row)
    database.upsert(connection, tables.holdings, rows, ("serial", "state", "told_at", "falls"))


def states(connection: Connection, node: str) -> dict[str, str]:
    """Return the recorded state of each service of a node.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    rows = connection.execute(_STATES, {"at_node": node})
    return {row.service: row.state for row in rows}


def gone(connection: Connection, place: Place) -> None:
    """Note that a node has reported that it holds nothing of a service any more.

    Args:
        connection: a writing transaction.
        place: the service and its node.
    """
    connection.execute(tables.holdings.delete().where(_at(place)))


def serial(connection: Connection, place: Place) -> bytes | None:
    """Return the serial of the seal that a node has reported.

    Args:
        connection: any transaction.
        place: the service and its node.

    Returns: 16 bytes; NO_SERIAL if the node has not reported one yet; None if it holds nothing.
    """
    return connection.execute(
        select(tables.holdings.c.serial).where(_at(place))
    ).scalar_one_or_none()


def find(connection: Connection, place: Place) -> Row[Any] | None:
    """Return the row of a place: serial, state, and when the node has reported it.

    Args:
        connection: any transaction.
        place: the service and its node.

    Returns: the row, or None if the node holds nothing.
    """
    here = {"at_node": place.node, "at_service": place.service}
    return connection.execute(_ALL_OF_PLACE, here).one_or_none()


def _has_fallen(service_state: str, restarts: int | None = None, before: int = 0) -> bool:
    """Tell whether a service that ran has stopped or was started again since the last report.

    After a reset of the node, the service first waits for the time.
    """
    return service_state != RUNNING or restarts not in (None, before)


def _at(place: Place) -> ColumnElement[bool]:
    table = tables.holdings.c
    return (table.node == place.node) & (table.service == place.service)


def _row(place: Place, held: bytes, service_state: str, now: int) -> dict[str, object]:
    return {
        "node": place.node,
        "service": place.service,
        "serial": held,
        "state": service_state,
        "told_at": now,
        "falls": 0,
    }
