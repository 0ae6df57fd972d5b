"""What the authority issued, recorded before it leaves: every certificate, every seal."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from sealcore.seal import Seal
from triseal import database
from triseal.certificate import Validity
from triseal.site.records import tables
from triseal.site.records.placement import Place
from triseal.site.slca import template
from triseal.site.slca.authority import Certified, SignedSeal


def serial_bytes(serial: int) -> bytes:
    """A serial as the ledger keeps it."""
    return serial.to_bytes(template.SERIAL_OCTETS, "big")


def record_certificate(connection: Connection, issued: Certified) -> None:
    """Record a certificate of a node or of the SLSM."""
    connection.execute(
        tables.certificates.insert().values(
            serial=serial_bytes(issued.serial),
            uri=issued.uri,
            not_before=issued.validity.not_before,
            not_after=issued.validity.not_after,
            der=issued.der,
        )
    )


def find_certificate(connection: Connection, serial: bytes, now: int) -> bytes | None:
    """A certificate that was issued, DER; None if it has expired."""
    table = tables.certificates.c
    which = (table.serial == serial) & (table.not_after >= now)
    return connection.execute(select(table.der).where(which)).scalar_one_or_none()


def record_seals(connection: Connection, issued: Iterable[tuple[Place, SignedSeal]]) -> None:
    """Record site seals, one or many."""
    rows = list(issued)
    _record_templates(connection, rows)
    connection.execute(tables.seals.insert(), [_seal_row(place, one) for place, one in rows])


def _record_templates(connection: Connection, rows: list[tuple[Place, SignedSeal]]) -> None:
    wanted = {one.template.digest: (place, one.template.tbs) for place, one in rows}
    column = tables.templates.c.digest
    have = set(connection.scalars(select(column).where(column.in_(wanted))))
    missing = [
        {"digest": digest, "node": place.node, "service": place.service, "tbs": tbs}
        for digest, (place, tbs) in sorted(wanted.items())
        if digest not in have
    ]
    if missing:
        database.insert_new(connection, tables.templates, missing)


def _seal_row(place: Place, one: SignedSeal) -> dict[str, object]:
    return {
        "serial": serial_bytes(one.serial),
        "template": one.template.digest,
        "node": place.node,
        "service": place.service,
        "not_before": one.validity.not_before,
        "not_after": one.validity.not_after,
        "signature": one.signature,
    }


def find_seal(connection: Connection, serial: int) -> bytes | None:
    """A seal as it was issued, DER; None if this site never issued that serial."""
    query = (
        select(tables.seals, tables.templates.c.tbs)
        .join(tables.templates)
        .where(tables.seals.c.serial == serial_bytes(serial))
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    validity = Validity(row.not_before, row.not_after)
    return template.from_tbs(row.tbs).assemble(serial, validity, row.signature)


def newest_expiry(
    connection: Connection, place: Place, other_than: bytes | None = None, after: bytes = b""
) -> tuple[int, int]:
    """The newest notAfter of all seals of a place, and the longest that one of them holds, seconds;
    0, 0 if there is none.

    Args:
        other_than: digest of a template whose seals don't count.
        after: the serial of a seal: what was issued before it, or in its second, doesn't count.
    """
    seals = tables.seals.c
    which = (seals.node == place.node) & (seals.service == place.service)
    if other_than is not None:
        which &= seals.template != other_than
    if after:
        begin = select(tables.seals.c.not_before).where(tables.seals.c.serial == after)
        which &= seals.not_before > begin.scalar_subquery()
    longest = func.max(seals.not_after - seals.not_before)
    row = connection.execute(select(func.max(seals.not_after), longest).where(which)).one()
    return row[0] or 0, row[1] or 0


def newest_begin(connection: Connection, place: Place) -> int:
    """The newest notBefore of all seals of a place; 0 if there is none."""
    seals = tables.seals.c
    which = (seals.node == place.node) & (seals.service == place.service)
    return connection.execute(select(func.max(seals.not_before)).where(which)).scalar_one() or 0


def contents(connection: Connection, place: Place) -> list[Seal]:
    """What the seals of a place have said, each thing once; see `SealTemplate.content`."""
    table = tables.templates.c
    which = (table.node == place.node) & (table.service == place.service)
    found = connection.scalars(select(table.tbs).where(which))
    return [template.from_tbs(tbs).content() for tbs in found]


def content_of(connection: Connection, serial: bytes) -> Seal | None:
    """What a seal says but for its validity; None for an unknown serial."""
    query = select(tables.templates.c.tbs).join(tables.seals).where(tables.seals.c.serial == serial)
    tbs = connection.execute(query).scalar_one_or_none()
    return None if tbs is None else template.from_tbs(tbs).content()


def template_of(connection: Connection, serial: bytes) -> bytes | None:
    """The digest of the template that a seal was made of; None for an unknown serial."""
    column = tables.seals.c.template
    return connection.execute(
        select(column).where(tables.seals.c.serial == serial)
    ).scalar_one_or_none()
