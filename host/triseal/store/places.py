"""Where the files of a Store are, as its database says: the same for all computers that share it.

Each move adds a row with the next number. A process works at the place of the row that was the
newest when it began. Before it changes or publishes anything it compares the two while no move can
come between, so that nothing is written at a place that was left. Keys of a bucket are not here.

A bucket that was left has a file that says so. If a backup of the database from before the move is
restored, it would let the Store go on there, with a log that lacks what came after the move: this
file prevents it, as does the one in the home.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, select, text

from triseal import storage
from triseal.errors import FileTooLarge, NotAFile, StoreBehind, StoreMoved
from triseal.storage import MAX_BUCKET, Storage, Whereabouts
from triseal.store.tables import PLACES

_LEFT = "store.moved"  # in a bucket that was left
_MOVING = 0x74726D6F7665  # the lock of a move in PostgreSQL, which all who change something share


@dataclass(frozen=True)
class Kept:
    """The files of a Store as one process has found them.

    Attributes:
        where: where that was.
        files: the files there.
    """

    where: Whereabouts
    files: Storage

    @staticmethod
    def of(home: Path, where: Whereabouts) -> Kept:
        """Return the files at a place.

        Args:
            home: the Store's folder.
            where: the place.
        """
        return Kept(where, storage.at(home, where.place))


def hold(connection: Connection, *, alone: bool) -> None:
    """Keep the files where they are until the transaction ends.

    Args:
        connection: a writing transaction.
        alone: whether nobody else may do the same meanwhile: for who moves the files.
    """
    if connection.dialect.name == "sqlite":  # where a writing transaction is alone
        return
    kind = "" if alone else "_shared"
    connection.execute(text(f"SELECT pg_advisory_xact_lock{kind}(:n)"), {"n": _MOVING})


def newest(connection: Connection) -> Whereabouts | None:
    """Return where the files are; None if no process has entered it yet.

    Args:
        connection: any transaction.
    """
    row = connection.execute(select(PLACES).order_by(PLACES.c.number.desc()).limit(1)).first()
    return None if row is None else _of(row.number, row.url, row.endpoint, row.folder)


def before(connection: Connection, number: int) -> Whereabouts | None:
    """Return where the files were before a move; None if the database does not know it.

    Args:
        connection: any transaction.
        number: of the move.
    """
    row = connection.execute(select(PLACES).where(PLACES.c.number == number - 1)).first()
    return None if row is None else _of(row.number, row.url, row.endpoint, row.folder)


def _of(number: int, url: str, endpoint: str, folder: str) -> Whereabouts:
    from triseal.bucket import Place  # few Stores have one

    return Whereabouts(number, Place.of(url, endpoint) if url else None, folder)


def enter(connection: Connection, where: Whereabouts) -> None:
    """Let the files be at a place from the end of the transaction on.

    Args:
        connection: a writing transaction, which holds them.
        where: the place, with the next number.
    """
    facts = {"number": where.number, "url": str(where.place or ""), "folder": where.folder}
    facts["endpoint"] = where.place.endpoint if where.place else ""
    connection.execute(insert(PLACES).values(**facts))


def check(connection: Connection, kept: Kept) -> None:
    """Check that the files are still where a process has found them.

    Args:
        connection: any transaction; in a writing one that holds them it stays so.
        kept: the files as the process has found them.

    Raises:
        StoreMoved: they were moved meanwhile.
        StoreBehind: the database is from before their last move.
    """
    now = newest(connection)
    if now is None or now.number < kept.where.number:
        raise StoreBehind(f"it is from before the files were moved to {kept.files.where('')}")
    if now != kept.where:
        raise StoreMoved(f"they are no longer at {kept.files.where('')}")


def leave(files: Storage, to: Whereabouts) -> None:
    """Mark a bucket as left. A home needs no mark: the file beside it says more.

    Args:
        files: the files at the place that was left.
        to: where they are now.

    Raises:
        Failure, OSError: the bucket can't be used.
    """
    if files.local("") is None:
        files.write_all({_LEFT: to.text()})


def left(kept: Kept) -> Whereabouts | None:
    """Return where the files went from a bucket that was left since; None if it was not.

    Args:
        kept: the files there.

    Raises:
        BadBucket: the mark is damaged.
        Failure, OSError: the bucket can't be read.
    """
    if kept.where.place is None:
        return None
    try:
        found = Whereabouts.parse(kept.files.read(_LEFT, MAX_BUCKET))
    except FileNotFoundError:
        return None
    except (FileTooLarge, NotAFile):
        return None
    return found if found.number > kept.where.number else None
