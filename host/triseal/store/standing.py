"""The standing of developers, releases and services: new keys, suspension, withdrawal, quarantine.

A developer is a name: at most one key of it is approved and not replaced. A service belongs to the
developer, and not to a key. Each function is one step of a transaction of its caller, and records
what was decided as its last step (`changes`).
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, insert, select, update

from sealcore import timetext
from triseal import notices
from triseal.errors import (
    BadReplacement,
    DeveloperSuspended,
    Failure,
    KeyReplaced,
    UnknownDeveloper,
    UnknownService,
    WrongState,
)
from triseal.notices import Change
from triseal.replacement import Replacement
from triseal.request import fingerprint
from triseal.store import changes, records
from triseal.store.changes import Why
from triseal.store.records import Developer, Release, Service
from triseal.store.tables import DEVELOPERS, RELEASES, SERVICES

_RELEASE_KINDS = notices.QUARANTINED, notices.CLEARED
_SERVICE_KINDS = notices.SERVICE_QUARANTINED, notices.SERVICE_CLEARED


def of_key(connection: Connection, spki: bytes) -> Developer | None:
    """Return the developer of a key; its standing stays the same until the transaction ends.

    Args:
        connection: a writing transaction.
        spki: the key, DER SubjectPublicKeyInfo.

    Returns: None if nobody has registered the key.
    """
    column = DEVELOPERS.c.fingerprint
    mark = fingerprint(spki)
    # Several submissions at once may do this, but nobody changes the standing meanwhile.
    held = connection.execute(select(column).where(column == mark).with_for_update(read=True))
    if held.one_or_none() is None:
        return None
    return next(one for one in records.developers(connection) if one.fingerprint == mark)


def barred(known: Developer | None) -> Failure | None:
    """Return why the Store seals nothing more for a key; None if it does.

    Args:
        known: the developer of the key.
    """
    if known is not None and known.replaced_at is not None:
        at = timetext.iso(known.replaced_at)
        return KeyReplaced(f"{known.name} has replaced the key {known.fingerprint} at {at}")
    if known is not None and known.suspended_at is not None:
        return DeveloperSuspended(f"{known.name}, since {timetext.iso(known.suspended_at)}")
    return None


def present(connection: Connection, name: str) -> Developer:
    """Return an approved developer with the present key, and keep all developers as they are.

    Args:
        connection: a writing transaction.
        name: name of the developer.

    Raises:
        UnknownDeveloper: no approved developer has exactly this name.
    """
    records.hold_all(connection)
    for known in records.approved(connection):
        if known.name == name:
            return known
    raise UnknownDeveloper(f"no approved developer is called {name}")


def replace_signed(connection: Connection, asked: Replacement, now: int, why: Why) -> Developer:
    """Replace a key as the developer has asked for with the old key.

    Args:
        connection: a writing transaction.
        asked: the parsed request.
        now: the time, Unix seconds.
        why: the reason.

    Returns: the developer with the new key. If it has replaced the old one before, nothing changes.

    Raises:
        UnknownDeveloper: the old key is of no approved developer.
        KeyReplaced, DeveloperSuspended: the old key may decide nothing any more.
        BadReplacement: it is for another name.
        WrongState: the new key is registered for something else.
    """
    records.hold_all(connection)
    old = records.registered(connection, fingerprint(asked.old))
    if old.approved_at is None:
        raise UnknownDeveloper(f"the key {old.fingerprint} is not approved")
    new = of_key(connection, asked.new)
    if new is not None and _follows(connection, asked):
        return new
    refusal = barred(old)
    if refusal is not None:
        raise refusal
    if asked.name != old.name:
        raise BadReplacement(f"it is for {asked.name}, the old key is of {old.name}")
    if new is None:
        new = Developer(fingerprint(asked.new), asked.name, asked.new, now, None)
        row = {"fingerprint": new.fingerprint, "name": new.name, "spki": new.spki}
        kept = {"registered_at": now, "request": asked.request}
        connection.execute(insert(DEVELOPERS).values(**row, **kept))
    return _put(connection, old, new, now, why, asked.der)


def replace_approved(
    connection: Connection, name: str, mark: str, now: int, why: Why
) -> tuple[Developer, Developer]:
    """Replace a key that was lost or stolen: a person has compared the new key's fingerprint.

    Args:
        connection: a writing transaction.
        name: name of the developer.
        mark: fingerprint of the new key, hex; the developer has registered it under this name.
        now: the time, Unix seconds.
        why: the reason.

    Returns: the developer with the new key, and with the old one. A suspension stays.

    Raises:
        UnknownDeveloper: no approved developer has this name, or nobody has registered the key.
        WrongState: the new key is registered under another name, or does not wait for approval.
    """
    old = present(connection, name)
    new = records.registered(connection, mark)
    if new.name != name:
        raise WrongState(f"the key {new.fingerprint} is registered for {new.name}, not for {name}")
    return _put(connection, old, new, now, why, b""), old


def _put(
    connection: Connection, old: Developer, new: Developer, now: int, why: Why, proof: bytes
) -> Developer:
    """Put a key that waits in the place of the present one, and record it."""
    if new.state != "pending" or new.name != old.name:
        raise WrongState(f"the key {new.fingerprint} of {new.name} is {new.state}, not pending")
    _update(connection, old, replaced_at=now)
    _update(connection, new, approved_at=now, suspended_at=old.suspended_at)
    made = Change(notices.REPLACED, old.name, "", new.spki, old.spki, proof)
    changes.record(connection, now, why, made)
    return replace(new, approved_at=now, suspended_at=old.suspended_at)


def _follows(connection: Connection, asked: Replacement) -> bool:
    """Tell whether this replacement was made before."""
    return any(
        (one.former, one.key) == (asked.old, asked.new) for one in changes.listed(connection)
    )


def suspend(connection: Connection, name: str, now: int, why: Why) -> Developer:
    """Seal nothing more for a developer, until `resume`.

    Args:
        connection: a writing transaction.
        name: name of the developer.
        now: the time, Unix seconds.
        why: the reason.

    Raises:
        UnknownDeveloper: no approved developer has this name.
        WrongState: the developer is suspended already.
    """
    known = present(connection, name)
    if known.suspended_at is not None:
        raise WrongState(f"{name} is suspended since {timetext.iso(known.suspended_at)}")
    _update(connection, known, suspended_at=now)
    changes.record(connection, now, why, Change(notices.SUSPENDED, name, key=known.spki))
    return replace(known, suspended_at=now)


def resume(connection: Connection, name: str, now: int, why: Why) -> Developer:
    """Seal for a suspended developer again.

    Args:
        connection: a writing transaction.
        name: name of the developer.
        now: the time, Unix seconds.
        why: the reason.

    Raises:
        UnknownDeveloper: no approved developer has this name.
        WrongState: the developer is not suspended.
    """
    known = present(connection, name)
    if known.suspended_at is None:
        raise WrongState(f"{name} is not suspended")
    _update(connection, known, suspended_at=None)
    changes.record(connection, now, why, Change(notices.RESUMED, name, key=known.spki))
    return replace(known, suspended_at=None)


def withdraw(connection: Connection, service: str, version: str, now: int, why: Why) -> Release:
    """Offer a release no more. It keeps its seals, and its version is not free again.

    Args:
        connection: a writing transaction.
        service: name of the service.
        version: its version, as it was submitted.
        now: the time, Unix seconds.
        why: the reason.

    Raises:
        UnknownService: there is no such release.
        WrongState: it is withdrawn already.
    """
    _hold_service(connection, service)
    found = _release(connection, service, version)
    if found.withdrawn_at is not None:
        since = timetext.iso(found.withdrawn_at)
        raise WrongState(f"{service} {version} is withdrawn since {since}")
    row = (RELEASES.c.service == service) & (RELEASES.c.version == version)
    connection.execute(update(RELEASES).where(row).values(withdrawn_at=now))
    changes.record(connection, now, why, Change(notices.WITHDRAWN, service, version))
    return replace(found, withdrawn_at=now)


def quarantine(connection: Connection, service: str, version: str, now: int, why: Why) -> None:
    """Hold back a release, or all releases of a service, until `clear`.

    Args:
        connection: a writing transaction.
        service: name of the service.
        version: version of the release, as it was submitted; "" for the whole service.
        now: the time, Unix seconds.
        why: the reason.

    Raises:
        UnknownService: there is no such service or release.
        WrongState: it is held back already.
    """
    _hold_back(connection, service, version, now, why, now)


def clear(connection: Connection, service: str, version: str, now: int, why: Why) -> None:
    """End what `quarantine` began. A withdrawn release stays withdrawn.

    Args:
        connection: a writing transaction.
        service: name of the service.
        version: version of the release; "" for the whole service.
        now: the time, Unix seconds.
        why: the reason.

    Raises:
        UnknownService: there is no such service or release.
        WrongState: it is not held back.
    """
    _hold_back(connection, service, version, now, why, None)


def _hold_back(
    connection: Connection, service: str, version: str, now: int, why: Why, at: int | None
) -> None:
    _hold_service(connection, service)
    held: Release | Service
    table, row, kinds = SERVICES, SERVICES.c.name == service, _SERVICE_KINDS
    held = records.services(connection, service)[service]
    if version:
        table, kinds = RELEASES, _RELEASE_KINDS
        row = (RELEASES.c.service == service) & (RELEASES.c.version == version)
        held = _release(connection, service, version)
    if (held.quarantined_at is None) == (at is None):
        raise WrongState(f"{service} {version}".strip() + f" is {held.state}")
    connection.execute(update(table).where(row).values(quarantined_at=at))
    kind = kinds[at is None]
    changes.record(connection, now, why, Change(kind, service, version))


def archive(connection: Connection, service: str, now: int, why: Why) -> None:
    """Take no new releases of a service, until `reopen`. Those that it has stay as they are.

    Args:
        connection: a writing transaction.
        service: name of the service.
        now: the time, Unix seconds.
        why: the reason.

    Raises:
        UnknownService: there is no such service.
        WrongState: it is archived already.
    """
    _set_archived(connection, service, now, why, now)


def reopen(connection: Connection, service: str, now: int, why: Why) -> None:
    """Take new releases of an archived service again.

    Args:
        connection: a writing transaction.
        service: name of the service.
        now: the time, Unix seconds.
        why: the reason.

    Raises:
        UnknownService: there is no such service.
        WrongState: it is not archived.
    """
    _set_archived(connection, service, now, why, None)


def _set_archived(connection: Connection, service: str, now: int, why: Why, at: int | None) -> None:
    _hold_service(connection, service)
    known = records.services(connection, service)[service]
    if (known.archived_at is None) == (at is None):
        raise WrongState(f"{service} is {'not ' if at is None else ''}archived")
    row = SERVICES.c.name == service
    connection.execute(update(SERVICES).where(row).values(archived_at=at))
    kind = notices.REOPENED if at is None else notices.ARCHIVED
    changes.record(connection, now, why, Change(kind, service))


def _release(connection: Connection, service: str, version: str) -> Release:
    for one in records.releases(connection, service):
        if one.version == version:
            return one
    raise UnknownService(f"there is no {service} {version}")


def hand_over(connection: Connection, service: str, to: str, now: int, why: Why) -> str:
    """Give the name of a service to another developer. The order of versions goes on.

    Args:
        connection: a writing transaction.
        service: name of the service.
        to: name of the new owner.
        now: the time, Unix seconds.
        why: the reason.

    Returns: name of the former owner.

    Raises:
        UnknownService: there is no such service.
        UnknownDeveloper: no approved developer has the name.
        DeveloperSuspended: the new owner is suspended.
        WrongState: the service belongs to this developer already.
    """
    before = _hold_service(connection, service)
    new = present(connection, to)
    if new.name == before:
        raise WrongState(f"{service} belongs to {to} already")
    refusal = barred(new)
    if refusal is not None:
        raise refusal
    row = SERVICES.c.name == service
    connection.execute(update(SERVICES).where(row).values(owner=new.fingerprint))
    changes.record(connection, now, why, Change(notices.HANDED_OVER, service, to, new.spki))
    return before


def _hold_service(connection: Connection, service: str) -> str:
    """Lock a service until the transaction ends, and return the name of its owner."""
    known = records.newest(connection, service)
    if known is None:
        raise UnknownService(f"there is no {service}")
    return known.owner


def _update(connection: Connection, known: Developer, **values: int | None) -> None:
    row = DEVELOPERS.c.fingerprint == known.fingerprint
    connection.execute(update(DEVELOPERS).where(row).values(**values))
