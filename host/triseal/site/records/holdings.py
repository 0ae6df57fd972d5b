"""What nodes hold, as far as they have told: from the moment a seal may leave for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from triseal import database
from triseal.site.records import tables
from triseal.site.records.placement import Place

SENT = "sent"
NO_SERIAL = b""


def expect(connection: Connection, places: Iterable[Place]) -> None:
    """Seals for these places are about to leave: the nodes may hold them from now on."""
    for place in sorted(places, key=lambda place: (place.node, place.service)):
        if serial(connection, place) is None:
            _insert(connection, place, NO_SERIAL, SENT, 0)


def confirm(
    connection: Connection,
    place: Place,
    held: bytes,
    service_state: str,
    now: int,
    restarts: int | None = None,
) -> None:
    """A node said which seal (its serial) it holds, and what became of the service.

    Args:
        connection: of a writing transaction.
        place: the service and its node.
        held: the serial, 16 bytes.
        service_state: one of messages.STATES.
        now: Unix seconds.
        restarts: how often the node has started it again since it booted; None if it did not say.
    """
    if serial(connection, place) is None:
        _insert(connection, place, held, service_state, now)
    values: dict[str, object] = {"serial": held, "state": service_state, "told_at": now}
    if restarts is not None:
        values["restarts"] = restarts
    connection.execute(tables.holdings.update().where(_at(place)).values(values))


def gone(connection: Connection, place: Place) -> None:
    """A node said that it no longer holds anything for this service."""
    connection.execute(tables.holdings.delete().where(_at(place)))


def serial(connection: Connection, place: Place) -> bytes | None:
    """The serial that the node told; NO_SERIAL if it told none yet, None if it holds nothing."""
    return connection.execute(
        select(tables.holdings.c.serial).where(_at(place))
    ).scalar_one_or_none()


def find(connection: Connection, place: Place) -> Row[Any] | None:
    """Serial, state and when it was told; None if the node holds nothing."""
    return connection.execute(select(tables.holdings).where(_at(place))).one_or_none()


def _at(place: Place) -> ColumnElement[bool]:
    table = tables.holdings.c
    return (table.node == place.node) & (table.service == place.service)


def _insert(
    connection: Connection, place: Place, held: bytes, service_state: str, now: int
) -> None:
    row = {
        "node": place.node,
        "service": place.service,
        "serial": held,
        "state": service_state,
        "told_at": now,
    }
    database.insert_new(connection, tables.holdings, [row])
