"""What a restored database has lost, taken again from the log and from the packages beside it.

The log says what was sealed and decided after the backup was made, and sites hold the Store to it:
a page that lacks a release, or offers one that was withdrawn, is refused. The entries were checked
against the signed checkpoint, and each package has the hash in its entry. What needs more than they
say is left to people: a developer who is not registered any more, or a key of the Store.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from sealcore import seal
from sealcore.errors import SealError
from triseal import notices, request
from triseal.errors import DamagedStore, Failure
from triseal.log import entry
from triseal.log.entry import Entry
from triseal.storage import Storage
from triseal.store import changes, records, standing
from triseal.store.changes import Why
from triseal.store.pages import Pages
from triseal.store.tables import LOG

_RELEASES = (entry.RELEASE, entry.RESEAL)
_Act = Callable[[Connection, Entry, dict[str, str], Why], object]
# How each decision is made again.
_DECISIONS: dict[str, _Act] = {
    notices.APPROVED: lambda connection, said, facts, why: records.approve(
        connection, facts["key"], said.time, why
    ),
    notices.SUSPENDED: lambda connection, said, facts, why: standing.suspend(
        connection, facts["developer"], said.time, why
    ),
    notices.RESUMED: lambda connection, said, facts, why: standing.resume(
        connection, facts["developer"], said.time, why
    ),
    notices.HANDED_OVER: lambda connection, said, facts, why: standing.hand_over(
        connection, said.service, facts["to"], said.time, why
    ),
    notices.WITHDRAWN: lambda connection, said, _, why: standing.withdraw(
        connection, said.service, said.version, said.time, why
    ),
    notices.ARCHIVED: lambda connection, said, _, why: standing.archive(
        connection, said.service, said.time, why
    ),
    notices.REOPENED: lambda connection, said, _, why: standing.reopen(
        connection, said.service, said.time, why
    ),
}
for _kind in (notices.QUARANTINED, notices.SERVICE_QUARANTINED):
    _DECISIONS[_kind] = lambda connection, said, _, why: standing.quarantine(
        connection, said.service, said.version, said.time, why
    )
for _kind in (notices.CLEARED, notices.SERVICE_CLEARED):
    _DECISIONS[_kind] = lambda connection, said, _, why: standing.clear(
        connection, said.service, said.version, said.time, why
    )


@dataclass(frozen=True)
class Accepted:
    """What `Store.accept_restored` has found.

    Attributes:
        releases: number of releases that the database has now.
        recovered: number of entries whose release or decision was taken from the log.
        lost: the others, for people.
    """

    releases: int
    recovered: int = 0
    lost: tuple[str, ...] = ()


class Recovery:
    """Takes lost releases and decisions from the log.

    Args:
        pages: the public packages.
        kept: the objects of the Store.
    """

    def __init__(self, pages: Pages, kept: Storage) -> None:
        self._pages = pages
        self._objects = kept
        self._lost: list[str] = []
        self._recovered = 0

    def run(self, connection: Connection, first: int) -> Accepted:
        """Take what the database lacks.

        Args:
            connection: a writing transaction, whose log is complete.
            first: position of the first entry that the database has lost. Releases of earlier ones
                are looked for as well: their developer may have been missing the last time.
        """
        have = {(one.service, one.version) for one in records.releases(connection, None)}
        query = select(LOG.c.position, LOG.c.leaf).where(
            (LOG.c.position >= first) | (LOG.c.package != "")
        )
        for row in connection.execute(query.order_by(LOG.c.position)).all():
            said = _parsed(bytes(row.leaf))
            if said is None or (row.position < first and (said.service, said.version) in have):
                continue
            self._take(connection, row.position, said)
        releases = len(records.releases(connection, None))
        return Accepted(releases, self._recovered, tuple(self._lost))

    def _take(self, connection: Connection, position: int, said: Entry) -> None:
        before = changes.last(connection)
        try:
            with connection.begin_nested():
                if said.kind in _RELEASES:
                    self._release(connection, said)
                else:
                    _decide(connection, said)
        except (Failure, SealError, IntegrityError, OSError) as error:
            what = " ".join(filter(None, (said.kind, said.service, said.version)))
            self._lost.append(f"{what}: {_why(error)}")
            return
        number = changes.last(connection)
        if number > before:  # it has this entry, and needs no other one
            row = LOG.c.position == position
            connection.execute(update(LOG).where(row).values(change=number))
        self._recovered += 1

    def _release(self, connection: Connection, said: Entry) -> None:
        sealed = self._pages.kept(said.package.hex())
        if sealed is None:
            raise DamagedStore(f"the package {said.package.hex()} is missing")
        developer = seal.parse(sealed.developer_seal, seal.DEVELOPER)
        release = records.release_of(sealed, developer, self._objects, said.time)
        known = records.releases(connection, said.service)
        if any(one.version == said.version for one in known):
            records.reseal(connection, release)
            return
        owner = records.registered(connection, request.fingerprint(bytes(developer.spki)))
        new = said.service not in records.services(connection, said.service)
        records.add(connection, release, owner.fingerprint if new else None)


def _why(error: Exception) -> str:
    if isinstance(error, IntegrityError):
        return "the database has something else in its place"
    if isinstance(error, OSError):
        return error.strerror or "its files can't be read"
    return getattr(error, "detail", "") or getattr(error, "code", "")


def _parsed(leaf: bytes) -> Entry | None:
    try:
        return entry.parse(leaf)
    except Failure:  # of a later version
        return None


def _decide(connection: Connection, said: Entry) -> None:
    try:
        facts: Any = json.loads(said.detail or "{}")
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict) or not all(isinstance(one, str) for one in facts.values()):
        raise DamagedStore("its entry has no details that can be read")
    act = _DECISIONS.get(said.kind)
    if act is None:
        raise DamagedStore("the log does not have the keys that it needs")
    try:
        act(connection, said, facts, Why(facts.get("reason", ""), facts.get("who", "")))
    except KeyError as error:
        raise DamagedStore(f"its entry lacks {error}") from None
