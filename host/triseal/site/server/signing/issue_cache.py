"""A cache of the seals that nodes hold, so that a renewal needs no query for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import Connection, select

from triseal.site.records import tables
from triseal.site.records.ledger import serial_bytes
from triseal.site.records.placement import Place
from triseal.site.slca.authority import SignedSeal


class Known(NamedTuple):
    """A seal that the site issued.

    Attributes:
        serial: its serial number, 16 bytes.
        template: the digest of its template, 32 bytes.
        not_after: its end, Unix seconds.
    """

    serial: bytes
    template: bytes
    not_after: int


class IssueCache:
    """The newest seal of each place that this process issued. The ledger knows all other seals.

    The thread that records and the thread that signs use it at the same time.
    """

    def __init__(self) -> None:
        self._issued: dict[str, dict[str, Known]] = {}  # by node and service

    def find(self, connection: Connection, node: str, held: dict[str, bytes]) -> dict[str, Known]:
        """Find the seals that a node holds, in the cache or else in the ledger, with one query.

        Args:
            connection: a reading transaction.
            node: name of the node.
            held: serial numbers by service; an empty one is not looked for.

        Returns: the seals by service. A serial that the site never issued for this place is
            missing.
        """
        issued = self._issued.get(node, {})
        found: dict[str, Known] = {}
        missing: dict[str, bytes] = {}
        for service, serial in held.items():
            known = issued.get(service)
            if known is not None and known.serial == serial:
                found[service] = known
            elif serial:
                missing[service] = serial
        if missing:
            found.update(_recorded(connection, node, missing))
        return found

    def end(self, node: str, services: Iterable[str]) -> int | None:
        """Return when the first of the newest seals of some services ends. Any thread may call it.

        Args:
            node: name of the node.
            services: names of services.

        Returns: Unix seconds; None if this process has not issued one for any of them.
        """
        issued = self._issued.get(node, {})
        known = (issued.get(service) for service in services)
        return min((seal.not_after for seal in known if seal is not None), default=None)

    def expected(self, place: Place) -> bool:
        """Tell whether the observed state (`records.holdings`) is known to have a row for a place.

        Args:
            place: a service on a node.
        """
        return place.service in self._issued.get(place.node, {})

    def issued(self, place: Place, seal: SignedSeal) -> None:
        """Add a seal after it was recorded together with its place.

        Args:
            place: the node and the service that the seal was issued for.
            seal: the seal.
        """
        known = Known(serial_bytes(seal.serial), seal.template.digest, seal.validity.not_after)
        self._issued.setdefault(place.node, {})[place.service] = known

    def forget(self, node: str) -> None:
        """Remove the seals of one node from the cache.

        Args:
            node: name of the node.
        """
        self._issued.pop(node, None)

    def forget_changed(self, changed: Collection[Place]) -> None:
        """Remove the seals of changed places: others may have recorded that nodes hold nothing.

        Args:
            changed: the places, as `revision.changed` returns them.
        """
        for node, service in ((place.node, place.service) for place in changed):
            if node:
                if service:
                    self._issued.get(node, {}).pop(service, None)
                else:
                    self.forget(node)
            elif service:
                for issued in list(self._issued.values()):
                    issued.pop(service, None)
            else:
                self._issued.clear()


def _recorded(connection: Connection, node: str, held: dict[str, bytes]) -> dict[str, Known]:
    """Ask the ledger. It treats a serial of another place like one that was never issued."""
    seals = tables.seals.c
    query = select(seals.serial, seals.service, seals.template, seals.not_after)
    which = (seals.node == node) & seals.serial.in_(held.values())
    return {
        row.service: Known(row.serial, row.template, row.not_after)
        for row in connection.execute(query.where(which))
        if held.get(row.service) == row.serial
    }
