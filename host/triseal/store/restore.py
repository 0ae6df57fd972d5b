"""Restored databases: a Store never signs a second, different release of one version.

A file in the Store's home, see `watermark`, remembers the number of releases and of changes, and
the developer seal of each service's newest release. If the database has fewer, a backup was
restored. Until a person has seen that, the Store changes and signs nothing. Afterwards it takes no
other content for a version that it has countersigned, also if the database has lost that release.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping

from sqlalchemy import Connection, func, select, update

from sealcore import names, seal
from triseal import version, words
from triseal.database import reading
from triseal.errors import LogMayBeOld, StoreBehind
from triseal.package import Package
from triseal.store import changes, journal
from triseal.store.intake import Newest
from triseal.store.tables import NONCE_TURN, RELEASES
from triseal.watermark import Watermark

FILE = "store.mark"
RELEASE = "release"
CHANGE = "change"
ENTRY = "log line"


def present(connection: Connection) -> tuple[dict[str, int], dict[str, str]]:
    """Return what the database has of what the file remembers: the numbers, and the texts.

    Args:
        connection: any transaction.
    """
    table = RELEASES.c
    number = connection.execute(select(func.max(table.id))).scalar_one() or 0
    newest = select(func.max(table.id)).group_by(table.service)
    query = select(table.service, table.developer_seal).where(table.id.in_(newest))
    rows = connection.execute(query)
    texts = {row.service: base64.b64encode(row.developer_seal).decode() for row in rows}
    return {
        RELEASE: number,
        CHANGE: changes.last(connection),
        ENTRY: journal.count(connection),
    }, texts


def begin(mark: Watermark) -> None:
    """Make the file before the first change, so that only a restored Store lacks it.

    Args:
        mark: the file.

    Raises:
        MarkDamaged, MarkNotWritten: as `Watermark.accept`.
    """
    if not mark.numbers():
        mark.accept({RELEASE: 0, CHANGE: 0, ENTRY: 0})


def check_log(connection: Connection, mark: Watermark) -> None:
    """Check that this Store knows how far its log has come.

    A Store whose whole folder was restored has an old log, too. It must not continue that one:
    sites have seen a newer log, and two logs of one Store are evidence against it.

    Args:
        connection: any transaction.
        mark: the file, which is in no backup.

    Raises:
        LogMayBeOld: the file is missing, and the log has entries.
    """
    if not mark.numbers() and (entries := journal.count(connection)):
        raise LogMayBeOld(f"{FILE} is missing beside a log of {entries} entries")


def check(connection: Connection, mark: Watermark, *, log_here: bool = False) -> None:
    """Check that the database has all releases and all changes that the file remembers.

    Args:
        connection: any transaction.
        mark: the file.
        log_here: whether the log is in the same folder as the file, and was restored with it.

    Raises:
        StoreBehind: it was restored from a backup.
    """
    had = mark.numbers()
    if log_here and not had:
        try:
            check_log(connection, mark)
        except LogMayBeOld as error:
            raise StoreBehind(error.detail) from None
    try:
        _compare(present(connection)[0], had)
    except StoreBehind:
        # The file may remember what was recorded after this transaction began.
        with reading(connection.engine) as later:
            _compare(present(later)[0], had)


def _compare(have: Mapping[str, int], had: Mapping[str, int]) -> None:
    for what, number in have.items():
        if number < had.get(what, 0):
            raise StoreBehind(f"it has {words.count(number, what)}, the Store had {had[what]}")


def rise(mark: Watermark, numbers: dict[str, int], texts: dict[str, str]) -> None:
    """Remember what the database has now.

    Args:
        mark: the file.
        numbers: as `present` returns them.
        texts: the same.

    Raises:
        MarkDamaged, MarkNotWritten: as `Watermark.rise`.
    """
    # A change alone brings no new text: those of a restored database are older than the file's.
    mark.rise({RELEASE: numbers[RELEASE]}, texts)
    mark.rise({CHANGE: numbers[CHANGE]})
    mark.rise({ENTRY: numbers[ENTRY]})


def forget_nonces(connection: Connection) -> None:
    """Refuse all nonces that were made until now: the database has lost which of them were used.

    Args:
        connection: a writing transaction.
    """
    connection.execute(update(NONCE_TURN).values(secret=secrets.token_bytes(32)))


def newest(mark: Watermark, known: Newest | None, service: str, package: Package) -> Newest | None:
    """Return the newest release of a service, also if the database has lost it.

    Args:
        mark: the file.
        known: the newest release in the database; None if it has none.
        service: name of the service.
        package: a submission. If it is the lost release again, the Store may take it again.

    Returns: the release; None if the service is new.
    """
    kept = base64.b64decode(mark.text(service))
    if not kept:
        return known
    lost = seal.parse(kept, seal.DEVELOPER)
    if known and version.parse(known.version) >= version.parse(lost.service_version):
        return known
    again = seal.parse(package.developer_seal, seal.DEVELOPER)
    if (again.core, again.spki) == (lost.core, lost.spki):
        return known
    owner = str(names.common_name(lost.issuer))
    return Newest(owner, lost.service_version, lost.security_version, kept)
