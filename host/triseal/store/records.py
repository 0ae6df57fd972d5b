"""The rows of the Store: each function is one step of somebody's transaction."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Row, insert, select, update

from sealcore import names, seal, sealwriter
from triseal.errors import NameTaken, UnknownDeveloper
from triseal.request import Request, fingerprint, likeness, plain
from triseal.store.intake import Newest
from triseal.store.tables import DEVELOPERS, RELEASES, SERVICES


@dataclass(frozen=True)
class Developer:
    """A developer who has registered.

    Attributes:
        fingerprint: SHA-256 of `spki`, hex.
        name: as seals give it; believed only once approved.
        spki: SubjectPublicKeyInfo, DER.
        registered_at: Unix seconds.
        approved_at: Unix seconds; None while no person has approved.
    """

    fingerprint: str
    name: str
    spki: bytes
    registered_at: int
    approved_at: int | None

    @property
    def entry(self) -> tuple[bytes, bytes]:
        """(name DER, SubjectPublicKeyInfo), as trust bundles hold it."""
        return sealwriter.name(self.name), self.spki


@dataclass(frozen=True)
class Release:
    """One countersigned version of a service.

    Attributes:
        service, version, security_version: as in the seals.
        entry: the executable's file name on a board.
        executable, metadata: names of objects, the SHA-256 in hex.
        developer_seal, store_seal: DER.
        submitted_at: Unix seconds.
    """

    service: str
    version: str
    security_version: int
    entry: str
    executable: str
    metadata: str
    developer_seal: bytes
    store_seal: bytes
    submitted_at: int

    @property
    def developer(self) -> str:
        """The developer's name."""
        return str(names.common_name(seal.parse(self.developer_seal, seal.DEVELOPER).issuer))


def register(connection: Connection, found: Request, request: bytes, now: int) -> Developer:
    """Add a developer who waits for approval; who is known already stays as is."""
    mark = fingerprint(found.spki)
    known = _developer(connection, mark)
    if known is not None:
        return known
    row = {"fingerprint": mark, "name": found.name, "spki": found.spki, "registered_at": now}
    connection.execute(insert(DEVELOPERS).values(request=request, **row))
    return Developer(mark, found.name, found.spki, now, None)


def approve(connection: Connection, mark: str, now: int) -> Developer:
    """Approve a developer; once approved, it stays with the first time."""
    mark = plain(mark)
    _hold_all(connection)
    known = _developer(connection, mark)
    if known is None:
        raise UnknownDeveloper(mark)
    if known.approved_at is not None:
        return known
    # People go by names: two keys of names that look the same would be one developer to them.
    alike = likeness(known.name)
    if any(likeness(one.name) == alike for one in approved(connection)):
        raise NameTaken(known.name)
    row = DEVELOPERS.c.fingerprint == mark
    connection.execute(update(DEVELOPERS).where(row).values(approved_at=now))
    return Developer(mark, known.name, known.spki, known.registered_at, now)


def developers(connection: Connection) -> list[Developer]:
    """All developers, in the order of registration."""
    order = DEVELOPERS.c.registered_at, DEVELOPERS.c.fingerprint
    return [_as_developer(row) for row in connection.execute(select(DEVELOPERS).order_by(*order))]


def approved(connection: Connection) -> list[Developer]:
    """The developers whom a person has approved."""
    return [one for one in developers(connection) if one.approved_at is not None]


def newest(connection: Connection, service: str) -> Newest | None:
    """What the Store has of a service; locks it for the rest of the transaction."""
    owner = connection.execute(
        select(DEVELOPERS.c.spki)
        .join(SERVICES, SERVICES.c.owner == DEVELOPERS.c.fingerprint)
        .where(SERVICES.c.name == service)
        .with_for_update(of=SERVICES)
    ).scalar_one_or_none()
    if owner is None:
        return None
    last = connection.execute(
        select(RELEASES.c.version, RELEASES.c.security_version)
        .where(RELEASES.c.service == service)
        .order_by(RELEASES.c.id.desc())
        .limit(1)
    ).one()
    return Newest(bytes(owner), last.version, last.security_version)


def add(connection: Connection, release: Release, first_of: str | None) -> None:
    """Record a release.

    Args:
        first_of: the fingerprint of the developer to whom the service shall belong, if it was new
            when this release was checked; None if it was not.

    Raises:
        IntegrityError: somebody else was faster, so that it was checked against nothing.
    """
    if first_of is not None:
        connection.execute(insert(SERVICES).values(name=release.service, owner=first_of))
    serial = seal.parse(release.store_seal, seal.STORE).serial
    connection.execute(insert(RELEASES).values(serial=f"{serial:032x}", **asdict(release)))


def releases(connection: Connection, service: str | None) -> list[Release]:
    """All releases or those of one service, oldest first."""
    wanted = select(RELEASES).order_by(RELEASES.c.id)
    if service is not None:
        wanted = wanted.where(RELEASES.c.service == service)
    columns = Release.__dataclass_fields__
    rows = connection.execute(wanted).mappings()
    return [Release(**{name: row[name] for name in columns}) for row in rows]


def _hold_all(connection: Connection) -> None:
    """Let nobody else approve meanwhile; always in the same order, so that nobody waits in a
    circle."""
    column = DEVELOPERS.c.fingerprint
    connection.execute(select(column).order_by(column).with_for_update()).all()


def _developer(connection: Connection, mark: str) -> Developer | None:
    wanted = select(DEVELOPERS).where(DEVELOPERS.c.fingerprint == mark).with_for_update()
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _as_developer(row)


def _as_developer(row: Row[tuple[object, ...]]) -> Developer:
    return Developer(row.fingerprint, row.name, bytes(row.spki), row.registered_at, row.approved_at)
