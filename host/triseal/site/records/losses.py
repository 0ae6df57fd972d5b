"""What a restored database may have lost: seals that the site issued after the backup."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, select

from triseal.site.records import tables

losses = Table(
    "losses",
    tables.metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("noted_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)
_ALL = select(losses)


@dataclass(frozen=True)
class Lost:
    """Seals that the ledger does not know.

    Attributes:
        at: when a person accepted the restored database, Unix seconds. A node that was heard
            since then has said what it holds.
        until: the last second in which such a seal can be valid, Unix seconds.
    """

    at: int
    until: int


def find(connection: Connection) -> Lost | None:
    """Return what the newest restore may have lost, or None if there was none.

    Args:
        connection: any transaction.
    """
    row = connection.execute(_ALL).one_or_none()
    return None if row is None else Lost(row.noted_at, row.until)


def note(connection: Connection, lost: Lost) -> None:
    """Note what a restore may have lost.

    Args:
        connection: a writing transaction.
        lost: the loss, which replaces an older one.
    """
    connection.execute(losses.delete())
    connection.execute(losses.insert().values(id=1, noted_at=lost.at, until=lost.until))


def unheard(connection: Connection, now: int) -> dict[str, tuple[int, int]]:
    """Return the nodes that may hold a seal that the ledger does not know, see `Lost`.

    Args:
        connection: any transaction.
        now: the time, Unix seconds.

    Returns: by name the last second in which such a seal can be valid by the site's clock, and its
        validity in seconds; empty if that time is long past.
    """
    lost = find(connection)
    if lost is None or now > lost.until + 2 * (lost.until - lost.at):
        return {}
    table = tables.nodes.c
    silent = table.heard_at.is_(None) | (table.heard_at < lost.at)
    ends = lost.until, lost.until - lost.at
    return dict.fromkeys(connection.scalars(select(table.name).where(silent)), ends)


def may_be_held(connection: Connection, now: int) -> bool:
    """Tell whether nodes may hold seals that the ledger does not know.

    Args:
        connection: any transaction.
        now: the time, Unix seconds.
    """
    lost = find(connection)
    return lost is not None and now <= lost.until
