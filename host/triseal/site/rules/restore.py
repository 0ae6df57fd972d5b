"""Restored databases: a site finds out that its database is behind what it has signed.

A file in the site's folder, see `watermark`, remembers the newest trust bundle, the number of
changes, and the end of the newest seal. If the database has less, a backup was restored: what the
site has changed and sealed since then is lost. Until a person has seen that, the site signs and
changes nothing. Afterwards each bound includes what may have been lost, for a lifetime.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from triseal import database
from triseal.bundlerequest import BundleRequest
from triseal.signer import Signer
from triseal.site.errors import Changed, DatabaseBehind
from triseal.site.records import losses, revision, tables
from triseal.site.records.losses import Lost
from triseal.site.rules import roots, trust
from triseal.site.slca.authority import Issuer
from triseal.watermark import Watermark

FILE = "site.mark"
BUNDLE = "bundle"
REVISION = "revision"
SEALED = "sealed"
# The file may be so many seconds of seals behind the database, which spares most of its writing.
STEP = 10
# How far the number of changes jumps: other servers of the site compare with files of their own.
_JUMP = 100_000
_DAY = 86400
_NEWEST = select(func.max(tables.seals.c.not_after))


def present(connection: Connection, issuer: Issuer) -> dict[str, int]:
    """Return what the database has of what the file remembers.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
    """
    lost = losses.find(connection)
    newest = connection.execute(_NEWEST).scalar_one() or 0
    return {
        BUNDLE: trust.current(connection, issuer).version,
        REVISION: revision.current(connection),
        SEALED: max(newest, lost.until if lost else 0),
    }


def check(connection: Connection, issuer: Issuer, mark: Watermark, now: int) -> None:
    """Check that the database has everything that the file remembers.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        mark: the file.
        now: the time, Unix seconds.

    Raises:
        DatabaseBehind: it was restored from a backup.
    """
    had = mark.numbers()
    try:
        _compare(present(connection, issuer), had, now)
    except DatabaseBehind:
        # The file may remember what was recorded after this transaction began.
        with database.reading(connection.engine) as later:
            _compare(present(later, issuer), had, now)


def _compare(have: Mapping[str, int], had: Mapping[str, int], now: int) -> None:
    for name, what in ((BUNDLE, "trust bundle"), (REVISION, "change")):
        if have[name] < had.get(name, 0):
            raise DatabaseBehind(f"its newest {what} is {have[name]}, it was {had[name]}")
    # Seals that ended a day ago may have been pruned.
    sealed = had.get(SEALED, 0)
    if have[SEALED] < sealed and now <= sealed + _DAY:
        raise DatabaseBehind(f"it lacks the seals of the last {sealed - have[SEALED]} s")


def check_revision(number: int, mark: Watermark) -> None:
    """Check the number of changes alone, which costs nothing.

    Args:
        number: the number of changes that the database has.
        mark: the file.

    Raises:
        DatabaseBehind: the database was restored from a backup.
    """
    if number < mark.get(REVISION):
        raise DatabaseBehind(f"its newest change is {number}, it was {mark.get(REVISION)}")


@dataclass(frozen=True)
class Accepted:
    """What the site has done about a restored database.

    Attributes:
        bundle_version: version of the new trust bundle, which replaces every other one.
        until: the last second in which a seal can be valid that the database does not know.
    """

    bundle_version: int
    until: int


def accept(
    connection: Connection,
    issuer: Issuer,
    signers: Iterable[Signer],
    mark: Watermark,
    lifetime: int,
    now: int,
    signed: BundleRequest | None = None,
) -> Accepted:
    """Go on with the database as it is: jump above everything that was lost.

    Args:
        connection: a writing transaction.
        issuer: the public part of the SLCA.
        signers: the keys of roots that are here.
        mark: the file.
        lifetime: lifetime of seals, seconds.
        now: the time, Unix seconds.
        signed: the bundle that an earlier try has asked for, signed by roots elsewhere; None makes
            a new one.

    Raises:
        SignaturesWanted: the bundle needs more signatures.
        Changed: the signed bundle is not what is wanted now.
    """
    newest = trust.current(connection, issuer)
    highest = max(newest.version, mark.get(BUNDLE))
    wanted = trust.keys_of(newest, trust.known(connection))
    if signed is None:
        tbs = roots.make(issuer, wanted, trust.next_version(connection, highest), now)
        signed = roots.ask(issuer, newest, wanted, tbs, signers)
    elif signed.asked.version <= highest:
        raise Changed(f"trust bundle {highest} is newer than the signed one")
    elif trust.keys_of(signed.asked, signed.known) != wanted:
        raise Changed("the signed trust bundle has other keys than the restored database")
    version = roots.accept(connection, issuer, signed).version
    number = max(revision.current(connection), mark.get(REVISION)) + _JUMP
    revision.jump(connection, number)
    until = max(now + lifetime, mark.get(SEALED) + STEP)
    before = losses.find(connection)
    losses.note(connection, Lost(now, max(until, before.until if before else 0)))
    return Accepted(version, until)
