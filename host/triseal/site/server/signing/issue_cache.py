"""A cache of the seals that this process issued, so that a renewal needs no query for them."""

from __future__ import annotations

from sqlalchemy import Connection, select

from triseal.site.records import tables
from triseal.site.records.ledger import serial_bytes
from triseal.site.records.placement import Place
from triseal.site.slca.authority import SignedSeal


class IssueCache:
    """The newest seal of each place that this process issued. The ledger knows all other seals."""

    def __init__(self) -> None:
        self._issued: dict[Place, tuple[bytes, bytes]] = {}

    def template_of(self, connection: Connection, place: Place, serial: bytes) -> bytes | None:
        """Find the template of a seal, in the cache or else in the ledger.

        Args:
            connection: a reading transaction.
            place: the node and the service that the seal was issued for.
            serial: serial number of the seal, 16 bytes.

        Returns: the digest of the template, 32 bytes; None if the site never issued this serial
            for this place.
        """
        issued = self._issued.get(place)
        if issued is not None and issued[0] == serial:
            return issued[1]
        return _template_of(connection, place, serial)

    def expected(self, place: Place) -> bool:
        """Tell whether the observed state (`records.holdings`) is known to have a row for a place.

        Args:
            place: a service on a node.
        """
        return place in self._issued

    def issued(self, place: Place, seal: SignedSeal) -> None:
        """Add a seal after it was recorded together with its place.

        Args:
            place: the node and the service that the seal was issued for.
            seal: the seal.
        """
        self._issued[place] = (serial_bytes(seal.serial), seal.template.digest)

    def forget(self, node: str = "") -> None:
        """Remove the seals of one node from the cache.

        Args:
            node: name of the node, or "" for all nodes.
        """
        self._issued = {p: v for p, v in self._issued.items() if node and p.node != node}


def _template_of(connection: Connection, place: Place, serial: bytes) -> bytes | None:
    """Ask the ledger. It treats a serial of another place like one that was never issued."""
    seals = tables.seals.c
    which = (seals.serial == serial) & (seals.node == place.node) & (seals.service == place.service)
    return connection.execute(select(seals.template).where(which)).scalar_one_or_none()
