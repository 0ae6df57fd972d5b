"""What this server process issued last, so that a renewal need not ask the database for it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from triseal.site.records import tables
from triseal.site.records.ledger import Place, serial_octets
from triseal.site.slca.authority import SignedSeal


class Known:
    """The newest seal of each place, if this process issued it; the ledger knows the others."""

    def __init__(self) -> None:
        self._issued: dict[Place, tuple[bytes, bytes]] = {}

    def template_of(self, connection: Connection, place: Place, serial: bytes) -> bytes | None:
        """Digest of the template of a seal that this place was given; None for any other serial."""
        found = self._issued.get(place)
        if found is not None and found[0] == serial:
            return found[1]
        return _template_of(connection, place, serial)

    def expected(self, place: Place) -> bool:
        """Whether `holdings` is known to have this place."""
        return place in self._issued

    def issued(self, place: Place, one: SignedSeal) -> None:
        """A seal was recorded, and its place with it."""
        self._issued[place] = (serial_octets(one.serial), one.template.digest)

    def forget(self, node: str = "") -> None:
        """Forget a node, or all."""
        self._issued = {p: v for p, v in self._issued.items() if node and p.node != node}


def _template_of(connection: Connection, place: Place, serial: bytes) -> bytes | None:
    """The ledger's answer; a serial of another place is as unknown as one never issued."""
    seals = tables.seals.c
    which = (seals.serial == serial) & (seals.node == place.node) & (seals.service == place.service)
    return connection.execute(select(seals.template).where(which)).scalar_one_or_none()
