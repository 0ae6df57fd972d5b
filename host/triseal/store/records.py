"""The rows of the Store's database. Each function is one step of a transaction of its caller."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, Row, RowMapping, Select, delete, func, insert, select, update

from sealcore import names, seal, sealwriter
from triseal import notices
from triseal.errors import KeyReplaced, NameTaken, UnknownDeveloper
from triseal.notices import Change
from triseal.package import Package
from triseal.request import Request, fingerprint, likeness, plain
from triseal.storage import Storage
from triseal.store import changes, objects
from triseal.store.changes import NO_REASON, Why
from triseal.store.intake import Newest
from triseal.store.tables import DEVELOPERS, RELEASES, SERVICES

_FINGERPRINT = re.compile("[0-9a-f]{64}")
_LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Developer:
    """A developer who has registered.

    Attributes:
        fingerprint: SHA-256 of `spki`, hex.
        name: the name in the developer's seals; trusted only after approval.
        spki: public key, DER SubjectPublicKeyInfo.
        registered_at: Unix seconds.
        approved_at: Unix seconds; None until a person has approved the developer.
        suspended_at: Unix seconds; None unless the Store seals nothing for the developer.
        replaced_at: Unix seconds; None unless another key of the developer took its place.
    """

    fingerprint: str
    name: str
    spki: bytes
    registered_at: int
    approved_at: int | None
    suspended_at: int | None = None
    replaced_at: int | None = None

    @property
    def state(self) -> str:
        """One of "pending", "approved", "suspended" and "replaced"."""
        if self.replaced_at is not None:
            return "replaced"
        if self.approved_at is None:
            return "pending"
        return "approved" if self.suspended_at is None else "suspended"

    @property
    def entry(self) -> tuple[bytes, bytes]:
        """Name (DER) and SubjectPublicKeyInfo, as in trust bundles."""
        return sealwriter.name(self.name), self.spki


@dataclass(frozen=True)
class Release:
    """One countersigned version of a service.

    Attributes:
        service, version, security_version: as in the seals.
        entry: file name of the executable on a board.
        executable, metadata: names of objects: SHA-256 in hex.
        developer_seal, store_seal: DER.
        submitted_at: Unix seconds.
        withdrawn_at: Unix seconds; None while the Store offers it.
        quarantined_at: Unix seconds; None unless the Store holds it back.
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
    withdrawn_at: int | None = None
    quarantined_at: int | None = None

    @property
    def state(self) -> str:
        """One of "listed", "withdrawn" and "quarantined", whatever the state of its service."""
        if self.quarantined_at is not None:
            return "quarantined"
        return "listed" if self.withdrawn_at is None else "withdrawn"

    @property
    def developer(self) -> str:
        """Name of the developer."""
        return str(names.common_name(seal.parse(self.developer_seal, seal.DEVELOPER).issuer))

    @property
    def ends(self) -> tuple[int, str]:
        """The last second at which both seals are valid, and which of them ends then."""
        developer = seal.parse(self.developer_seal, seal.DEVELOPER).not_after
        store = seal.parse(self.store_seal, seal.STORE).not_after
        return (developer, "developer") if developer < store else (store, "store")


def release_of(package: Package, developer: seal.Seal, kept: Storage, submitted_at: int) -> Release:
    """Return the row of a package that the Store has sealed, and keep its files.

    Args:
        package: the package with both seals.
        developer: its developer seal.
        kept: folder of all objects.
        submitted_at: Unix seconds.
    """
    return Release(
        service=str(developer.service),
        version=developer.service_version,
        security_version=developer.security_version,
        entry=package.name,
        executable=objects.put(kept, package.executable),
        metadata=objects.put(kept, package.metadata),
        developer_seal=package.developer_seal,
        store_seal=package.store_seal,
        submitted_at=submitted_at,
    )


@dataclass(frozen=True)
class Service:
    """The name of a service.

    Attributes:
        name: the name.
        owner: name of the developer to whom it belongs.
        archived_at: Unix seconds; None while the Store takes new releases.
        quarantined_at: Unix seconds; None unless the Store holds all its releases back.
    """

    name: str
    owner: str
    archived_at: int | None = None
    quarantined_at: int | None = None

    @property
    def state(self) -> str:
        """One of "active", "archived" and "quarantined"."""
        if self.quarantined_at is not None:
            return "quarantined"
        return "active" if self.archived_at is None else "archived"


def register(
    connection: Connection, parsed: Request, request: bytes, now: int, instead: str | None = None
) -> Developer:
    """Add a developer who waits for approval. A known developer stays as it is.

    Args:
        connection: a writing transaction.
        parsed: the parsed request.
        request: the request, PEM or DER, which is kept as proof.
        now: the time, Unix seconds.
        instead: fingerprint of one who waits, and is forgotten if another one is added.
    """
    mark = fingerprint(parsed.spki)
    known = _developer(connection, mark)
    if known is not None:
        return known
    columns = DEVELOPERS.c
    waits = columns.approved_at.is_(None) & columns.replaced_at.is_(None)
    connection.execute(delete(DEVELOPERS).where(columns.fingerprint == instead, waits))
    row = {"fingerprint": mark, "name": parsed.name, "spki": parsed.spki, "registered_at": now}
    connection.execute(insert(DEVELOPERS).values(request=request, **row))
    return Developer(mark, parsed.name, parsed.spki, now, None)


def approve(connection: Connection, mark: str, now: int, why: Why = NO_REASON) -> Developer:
    """Approve a developer. An approved developer keeps the time of the first approval.

    Args:
        connection: a writing transaction.
        mark: fingerprint of the key, hex.
        now: the time, Unix seconds.
        why: the reason.

    Raises:
        UnknownDeveloper: no developer has registered this key.
        KeyReplaced: the developer has replaced this key.
        NameTaken: an approved developer has this name or one that looks the same.
    """
    hold_all(connection)
    known = registered(connection, mark)
    if known.replaced_at is not None:
        raise KeyReplaced(f"{known.name} has replaced the key {known.fingerprint}")
    if known.approved_at is not None:
        return known
    # People trust names: two keys with names that look the same would be one developer to them.
    alike = likeness(known.name)
    if any(likeness(other.name) == alike for other in approved(connection)):
        raise NameTaken(f"the name {known.name} is taken or looks like one that is")
    row = DEVELOPERS.c.fingerprint == known.fingerprint
    connection.execute(update(DEVELOPERS).where(row).values(approved_at=now))
    changes.record(connection, now, why, Change(notices.APPROVED, known.name, key=known.spki))
    return replace(known, approved_at=now)


def registered(connection: Connection, mark: str) -> Developer:
    """Return the developer of a key, and lock the row until the transaction ends.

    Args:
        connection: a writing transaction.
        mark: fingerprint of the key, hex.

    Raises:
        UnknownDeveloper: no developer has registered this key.
    """
    known = _developer(connection, plain(mark))
    if known is None:
        raise UnknownDeveloper(_unknown(plain(mark), mark))
    return known


def _unknown(digits: str, given: str) -> str:
    """Say what is wrong with the fingerprint of a key that nobody has registered."""
    if _FINGERPRINT.fullmatch(digits):
        return f"no developer has registered the key {digits}"
    return (
        f"{given[:_LONGEST_SHOWN]!r} is not a fingerprint, which has 64 hexadecimal digits: give"
        " the one that the developer's `triseal dev show` prints, and not a name"
    )


def developers(connection: Connection) -> list[Developer]:
    """Return all developers in the order of registration.

    Args:
        connection: any transaction.
    """
    order = DEVELOPERS.c.registered_at, DEVELOPERS.c.fingerprint
    return [_as_developer(row) for row in connection.execute(select(DEVELOPERS).order_by(*order))]


def approved(connection: Connection) -> list[Developer]:
    """Return the developers whom a person has approved, each with the present key.

    Args:
        connection: any transaction.
    """
    return [known for known in developers(connection) if known.state in ("approved", "suspended")]


def newest(connection: Connection, service: str) -> Newest | None:
    """Return the newest release of a service, and lock the service until the transaction ends.

    Args:
        connection: a writing transaction.
        service: name of the service.

    Returns: None if the service is new.
    """
    wanted = _services().where(SERVICES.c.name == service).with_for_update(of=SERVICES)
    row = connection.execute(wanted).mappings().one_or_none()
    if row is None:
        return None
    known = Service(**row)
    last = connection.execute(
        select(RELEASES)
        .where(RELEASES.c.service == service)
        .order_by(RELEASES.c.id.desc())
        .limit(1)
    ).one()
    return Newest(
        known.owner,
        last.version,
        last.security_version,
        bytes(last.developer_seal),
        last.withdrawn_at is not None,
        last.quarantined_at is not None,
        known.state,
    )


def _services() -> Select[tuple[str, str, int | None, int | None]]:
    kept = SERVICES.c
    owner = DEVELOPERS.c.name.label("owner")
    columns = kept.name, owner, kept.archived_at, kept.quarantined_at
    return select(*columns).join(DEVELOPERS, kept.owner == DEVELOPERS.c.fingerprint)


def services(connection: Connection, service: str | None = None) -> dict[str, Service]:
    """Return services by name, in the order of the names.

    Args:
        connection: any transaction.
        service: only the one with this name, if it exists.
    """
    wanted = _services().order_by(SERVICES.c.name)
    if service is not None:
        wanted = wanted.where(SERVICES.c.name == service)
    return {row["name"]: Service(**row) for row in connection.execute(wanted).mappings()}


def held(connection: Connection, service: Service) -> set[str]:
    """Return the versions of a service that the Store holds back.

    Args:
        connection: any transaction.
        service: the service.
    """
    which = RELEASES.c.service == service.name
    if service.quarantined_at is None:
        which &= RELEASES.c.quarantined_at.is_not(None)
    return set(connection.execute(select(RELEASES.c.version).where(which)).scalars())


def add(connection: Connection, release: Release, first_of: str | None) -> None:
    """Record a release.

    Args:
        connection: a writing transaction.
        release: the release.
        first_of: fingerprint of the developer to whom the service will belong, if it was new when
            the release was checked; otherwise None.

    Raises:
        IntegrityError: another submission was faster, so that the check is out of date.
    """
    if first_of is not None:
        connection.execute(insert(SERVICES).values(name=release.service, owner=first_of))
    connection.execute(insert(RELEASES).values(serial=_serial(release), **asdict(release)))


def reseal(connection: Connection, release: Release) -> None:
    """Replace the seals of a release; its content stays the same.

    Args:
        connection: a writing transaction.
        release: the release with its new seals.
    """
    which = (RELEASES.c.service == release.service) & (RELEASES.c.version == release.version)
    connection.execute(
        update(RELEASES)
        .where(which)
        .values(
            serial=_serial(release),
            developer_seal=release.developer_seal,
            store_seal=release.store_seal,
            submitted_at=release.submitted_at,
        )
    )


def releases(connection: Connection, service: str | None) -> list[Release]:
    """Return releases, oldest first.

    Args:
        connection: any transaction.
        service: name of a service; None for all services.
    """
    wanted = select(RELEASES).order_by(RELEASES.c.id)
    if service is not None:
        wanted = wanted.where(RELEASES.c.service == service)
    return [_as_release(row) for row in connection.execute(wanted).mappings()]


def same(connection: Connection, developer_seal: bytes) -> Release | None:
    """Return the release with a developer seal; None if there is none.

    Args:
        connection: any transaction.
        developer_seal: the seal, DER.
    """
    wanted = select(RELEASES).where(RELEASES.c.developer_seal == developer_seal)
    row = connection.execute(wanted).mappings().first()
    return None if row is None else _as_release(row)


def count_releases(connection: Connection) -> dict[str, int]:
    """Return the number of releases by state, see `Release.state`.

    Args:
        connection: any transaction.
    """
    kept = RELEASES.c
    listed = kept.quarantined_at.is_(None)
    counted = select(
        func.count(kept.id).filter(listed, kept.withdrawn_at.is_(None)).label("listed"),
        func.count(kept.id).filter(listed, kept.withdrawn_at.is_not(None)).label("withdrawn"),
        func.count(kept.quarantined_at).label("quarantined"),
    )
    row = connection.execute(counted).mappings().one()
    return {state: number for state, number in row.items() if number}


def latest(connection: Connection, most: int) -> list[Release]:
    """Return the newest release that is listed of each service, newest first.

    Args:
        connection: any transaction.
        most: number of releases.
    """
    newest = (
        select(func.max(RELEASES.c.id))
        .join(SERVICES, SERVICES.c.name == RELEASES.c.service)
        .where(RELEASES.c.withdrawn_at.is_(None), RELEASES.c.quarantined_at.is_(None))
        .where(SERVICES.c.quarantined_at.is_(None))
        .group_by(RELEASES.c.service)
    )
    order = RELEASES.c.submitted_at.desc(), RELEASES.c.id.desc()
    wanted = select(RELEASES).where(RELEASES.c.id.in_(newest)).order_by(*order).limit(most)
    return [_as_release(row) for row in connection.execute(wanted).mappings()]


def _as_release(row: RowMapping) -> Release:
    return Release(**{name: row[name] for name in Release.__dataclass_fields__})


def _serial(release: Release) -> str:
    return f"{seal.parse(release.store_seal, seal.STORE).serial:032x}"


def hold_all(connection: Connection) -> None:
    """Keep others from changing developers meanwhile.

    Rows are locked in one order, and after those of services, to avoid a deadlock.

    Args:
        connection: a writing transaction.
    """
    column = DEVELOPERS.c.fingerprint
    connection.execute(select(column).order_by(column).with_for_update()).all()


def _developer(connection: Connection, mark: str) -> Developer | None:
    wanted = select(DEVELOPERS).where(DEVELOPERS.c.fingerprint == mark).with_for_update()
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _as_developer(row)


def _as_developer(row: Row[tuple[object, ...]]) -> Developer:
    return Developer(
        row.fingerprint,
        row.name,
        bytes(row.spki),
        row.registered_at,
        row.approved_at,
        row.suspended_at,
        row.replaced_at,
    )
