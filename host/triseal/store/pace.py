"""The limits of each developer: submissions in an hour, and the size of a package.

They are in the database, so that all servers of a Store count together. Only what the Store has
sealed counts here: what it refuses is rolled back, and bounded by each server (`server.flood`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from triseal import package
from triseal.database import insert_new, upsert
from triseal.errors import Failure
from triseal.store.tables import PACES

HOUR = 3600
MOST_HOURLY = 120
MOST_BYTES = package.MAX_SIZE


class TooManySubmissions(Failure):
    """The developer has submitted as much in this hour as the Store allows."""

    code = "too-many-submissions"
    advice = "Wait for the next hour, or ask the Store's operator for a higher limit."


class PackageTooLarge(Failure):
    """The package is larger than the Store allows this developer."""

    code = "package-too-large"
    advice = "Make it smaller, or ask the Store's operator for a higher limit."


@dataclass(frozen=True)
class Limits:
    """The limits of one developer.

    Attributes:
        hourly: submissions in an hour of the clock.
        size: bytes of the executable and the metadata of a package.
    """

    hourly: int = MOST_HOURLY
    size: int = MOST_BYTES

    def check_size(self, size: int) -> None:
        """Check the size of a package.

        Args:
            size: its bytes.

        Raises:
            PackageTooLarge: it is too large.
        """
        if size > self.size:
            raise PackageTooLarge(f"{size} bytes, the limit is {self.size}")


def limits(connection: Connection, name: str) -> Limits:
    """Return the limits of a developer.

    Args:
        connection: any transaction.
        name: name of the developer.
    """
    return _read(connection, name)[0]


def set_limits(connection: Connection, name: str, hourly: int | None, size: int | None) -> Limits:
    """Set limits of a developer; a limit that is None stays.

    Args:
        connection: a writing transaction.
        name: name of the developer.
        hourly: submissions in an hour.
        size: size of a package, bytes.

    Returns: the limits from now on.
    """
    known, hour, taken = _read(connection, name, alone=True)
    made = Limits(known.hourly if hourly is None else hourly, known.size if size is None else size)
    row = {"most_hourly": made.hourly, "most_bytes": made.size, "hour": hour, "taken": taken}
    upsert(connection, PACES, [{"name": name, **row}], ["most_hourly", "most_bytes"])
    return made


def check(connection: Connection, name: str, size: int, now: int) -> None:
    """Check that a developer may submit a package now.

    Args:
        connection: any transaction.
        name: name of the developer.
        size: bytes of the executable and the metadata.
        now: the time, Unix seconds.

    Raises:
        PackageTooLarge: it is larger than the developer's limit.
        TooManySubmissions: the limit of this hour is reached.
    """
    allowed, hour, taken = _read(connection, name)
    allowed.check_size(size)
    _check_count(name, allowed, taken if hour == now // HOUR else 0)


def _check_count(name: str, allowed: Limits, taken: int) -> None:
    if taken >= allowed.hourly:
        raise TooManySubmissions(f"{name} has submitted {taken} packages in this hour")


def take(connection: Connection, name: str, now: int) -> None:
    """Count a submission that was checked. Others of the developer wait until the end of this one.

    Args:
        connection: a writing transaction.
        name: name of the developer.
        now: the time, Unix seconds.

    Raises:
        TooManySubmissions: others have reached the limit of this hour meanwhile.
    """
    allowed, hour, taken = _read(connection, name, alone=True)
    if hour != now // HOUR:
        hour, taken = now // HOUR, 0
    _check_count(name, allowed, taken)
    row = {"name": name, "hour": hour, "taken": taken + 1}
    upsert(connection, PACES, [row], ["hour", "taken"])


def _read(connection: Connection, name: str, *, alone: bool = False) -> tuple[Limits, int, int]:
    query = select(PACES).where(PACES.c.name == name)
    if alone:  # a row that is not there can't be locked
        insert_new(connection, PACES, [{"name": name, "hour": 0, "taken": 0}])
    row = connection.execute(query.with_for_update() if alone else query).one_or_none()
    if row is None:
        return Limits(), 0, 0
    hourly = MOST_HOURLY if row.most_hourly is None else row.most_hourly
    size = MOST_BYTES if row.most_bytes is None else row.most_bytes
    return Limits(hourly, size), row.hour, row.taken
