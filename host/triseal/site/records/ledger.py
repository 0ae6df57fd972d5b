"""The ledger: every certificate and every seal that the SLCA issued, recorded before it leaves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Subquery, bindparam, func, select

from sealcore import seal
from sealcore.seal import Seal
from triseal import database
from triseal.certificate import Validity
from triseal.site.records import tables
from triseal.site.records.placement import Place
from triseal.site.slca import template
from triseal.site.slca.authority import Certified, SignedSeal

_TEMPLATES = select(tables.templates.c.digest).where(
    tables.templates.c.digest.in_(bindparam("wanted", expanding=True))
)


def serial_bytes(serial: int) -> bytes:
    """Encode a serial number as the ledger keeps it, 16 bytes, big-endian.

    Args:
        serial: the serial number.
    """
    return serial.to_bytes(template.SERIAL_BYTES, "big")


def record_certificate(connection: Connection, issued: Certified) -> None:
    """Record a certificate of a node or of the SLSM.

    Args:
        connection: a writing transaction.
        issued: the certificate.
    """
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
    """Find a certificate that the site issued.

    Args:
        connection: any transaction.
        serial: its serial, 16 bytes.
        now: the time, Unix seconds.

    Returns: the certificate, DER; None if it has expired.
    """
    table = tables.certificates.c
    which = (table.serial == serial) & (table.not_after >= now)
    return connection.execute(select(table.der).where(which)).scalar_one_or_none()


def newest_certificates(connection: Connection, uri: str) -> list[bytes]:
    """Return the certificates of a node that began last, DER; several may begin in one second.

    Args:
        connection: any transaction.
        uri: SPIFFE ID of the node.
    """
    table = tables.certificates.c
    began = select(func.max(table.not_before)).where(table.uri == uri).scalar_subquery()
    which = (table.uri == uri) & (table.not_before == began)
    return [bytes(der) for der in connection.scalars(select(table.der).where(which))]


def record_seals(connection: Connection, issued: Iterable[tuple[Place, SignedSeal]]) -> None:
    """Record one site seal or several.

    Args:
        connection: a writing transaction.
        issued: the seals with their places.
    """
    rows = list(issued)
    _record_templates(connection, rows)
    connection.execute(tables.seals.insert(), [_seal_row(place, seal) for place, seal in rows])


def _record_templates(connection: Connection, rows: list[tuple[Place, SignedSeal]]) -> None:
    wanted = {seal.template.digest: (place, seal.template.tbs) for place, seal in rows}
    have = set(connection.scalars(_TEMPLATES, {"wanted": list(wanted)}))
    missing = [
        {"digest": digest, "node": place.node, "service": place.service, "tbs": tbs}
        for digest, (place, tbs) in sorted(wanted.items())
        if digest not in have
    ]
    if missing:
        database.insert_new(connection, tables.templates, missing)


def _seal_row(place: Place, seal: SignedSeal) -> dict[str, object]:
    return {
        "serial": serial_bytes(seal.serial),
        "template": seal.template.digest,
        "node": place.node,
        "service": place.service,
        "not_before": seal.validity.not_before,
        "not_after": seal.validity.not_after,
        "signature": seal.signature,
    }


def find_seal(connection: Connection, serial: int) -> bytes | None:
    """Assemble a seal as it was issued.

    Args:
        connection: any transaction.
        serial: its serial number.

    Returns: the seal, DER; None if the site never issued this serial or has pruned it.
    """
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
    connection: Connection,
    place: Place,
    other_than: bytes | None = None,
    after: bytes = b"",
    only: Collection[bytes] | None = None,
) -> tuple[int, int]:
    """Find the newest notAfter of all seals of a place.

    Args:
        connection: any transaction.
        place: the service and its node.
        other_than: digest of a template whose seals don't count.
        after: serial of a seal: seals that were issued before it or in the same second don't count.
        only: digests of the templates whose seals count; None for all.

    Returns: the newest notAfter, Unix seconds, and the longest validity of one of these seals,
        seconds; (0, 0) if there is no such seal.
    """
    seals = tables.seals.c
    which = (seals.node == place.node) & (seals.service == place.service)
    if other_than is not None:
        which &= seals.template != other_than
    if after:
        begin = select(tables.seals.c.not_before).where(tables.seals.c.serial == after)
        which &= seals.not_before > begin.scalar_subquery()
    if only is not None:
        which &= seals.template.in_(only)
    longest = func.max(seals.not_after - seals.not_before)
    row = connection.execute(select(func.max(seals.not_after), longest).where(which)).one()
    return row[0] or 0, row[1] or 0


def newest_ends(connection: Connection, places: Subquery) -> dict[Place, int | None]:
    """Find the newest notAfter of all seals of each of many places, Unix seconds, None without any.

    One look into an index for each place: a query that groups all seals would read the ledger.

    Args:
        connection: any transaction.
        places: a query with the columns `node` and `service`.
    """
    seals = tables.seals.c
    here = (seals.node == places.c.node) & (seals.service == places.c.service)
    end = select(seals.not_after).where(here).order_by(seals.not_after.desc()).limit(1)
    query = select(places.c.node, places.c.service, end.correlate(places).scalar_subquery())
    rows = connection.execute(query).all()
    return {Place(node, service): until for node, service, until in rows}


def newest_begins(connection: Connection, places: Subquery) -> dict[Place, int]:
    """Find what `newest_begin` finds for each of many places, 0 if there is no seal.

    Args:
        connection: any transaction.
        places: a query with the columns `node` and `service`.
    """
    seals = tables.seals.c
    here = (seals.node == places.c.node) & (seals.service == places.c.service)
    begin = select(func.max(seals.not_before)).where(here).correlate(places).scalar_subquery()
    rows = connection.execute(select(places.c.node, places.c.service, begin)).all()
    return {Place(node, service): since or 0 for node, service, since in rows}


def held(connection: Connection) -> dict[Place, tuple[Row[Any], str | None]]:
    """Return the row of `holdings` of each place that has one, and the version of the service.

    The version is None if the node has not reported which seal it holds.

    Args:
        connection: any transaction.
    """
    packages: dict[str, dict[bytes, str]] = {}
    table = tables.packages.c
    for row in connection.execute(select(table.service, table.digest, table.store_seal)):
        version = str(seal.parse(row.store_seal, seal.STORE).service_version)
        packages.setdefault(row.service, {})[row.digest] = version
    by_serial = tables.seals.c.serial == tables.holdings.c.serial
    query = select(*tables.holdings.c, tables.templates.c.tbs).select_from(
        tables.holdings.outerjoin(tables.seals, by_serial).outerjoin(tables.templates)
    )
    found: dict[Place, tuple[Row[Any], str | None]] = {}
    rows: Sequence[Any] = connection.execute(query).all()
    for told in rows:
        known = packages.get(told.service, {})
        version_told = None if told.tbs is None else _version(told.tbs, known)
        found[Place(told.node, told.service)] = told, version_told
    return found


def _version(tbs: bytes, packages: dict[bytes, str]) -> str:
    """Return the version of the service that a template is for.

    Args:
        tbs: the template.
        packages: the versions of the service's packages by digest. A seal has the digest of its
            package in it, which is found much faster than the seal is parsed.
    """
    found = [version for digest, version in packages.items() if digest in tbs]
    if len(found) == 1:
        return found[0]
    return str(template.from_tbs(tbs).content().service_version)


def newest_begin(connection: Connection, place: Place) -> int:
    """Find the newest notBefore of all seals of a place.

    Args:
        connection: any transaction.
        place: the service and its node.

    Returns: Unix seconds, 0 if there is no seal.
    """
    seals = tables.seals.c
    which = (seals.node == place.node) & (seals.service == place.service)
    return connection.execute(select(func.max(seals.not_before)).where(which)).scalar_one() or 0


def contents(connection: Connection, place: Place) -> list[Seal]:
    """List the different contents of all seals of a place, see `SealTemplate.content`.

    Args:
        connection: any transaction.
        place: the service and its node.
    """
    table = tables.templates.c
    which = (table.node == place.node) & (table.service == place.service)
    templates = connection.scalars(select(table.tbs).where(which))
    return [template.from_tbs(tbs).content() for tbs in templates]


def templates_by_package(connection: Connection, place: Place) -> dict[bytes, list[bytes]]:
    """List the digests of a place's templates by the digest of the package that they seal.

    Args:
        connection: any transaction.
        place: the service and its node.
    """
    table = tables.templates.c
    which = (table.node == place.node) & (table.service == place.service)
    found: dict[bytes, list[bytes]] = {}
    for row in connection.execute(select(table.digest, table.tbs).where(which)):
        package = template.from_tbs(row.tbs).content().predecessor or b""
        found.setdefault(package, []).append(bytes(row.digest))
    return found


def content_of(connection: Connection, serial: bytes) -> Seal | None:
    """Return the content of a seal, that is everything except its validity.

    Args:
        connection: any transaction.
        serial: its serial, 16 bytes.

    Returns: the content; None for an unknown serial.
    """
    query = select(tables.templates.c.tbs).join(tables.seals).where(tables.seals.c.serial == serial)
    tbs = connection.execute(query).scalar_one_or_none()
    return None if tbs is None else template.from_tbs(tbs).content()


def template_of(connection: Connection, serial: bytes) -> bytes | None:
    """Return the digest of the template that a seal was made from.

    Args:
        connection: any transaction.
        serial: its serial, 16 bytes.

    Returns: 32 bytes; None for an unknown serial.
    """
    column = tables.seals.c.template
    return connection.execute(
        select(column).where(tables.seals.c.serial == serial)
    ).scalar_one_or_none()
