"""The pruning of the ledger: records that expired long ago are deleted, a few at a time.

Two kinds of records stay: certificates and seals that are valid or expired less than so many days
ago, and seals that a node has said it holds, however old they are, since they tell what the node
runs. A change is bounded by seals that are still valid (`guarantee`), so that it does not need the
others. Evidence holds the seals that contradict each other and needs no ledger
(`triseal evidence`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Column, Engine, Table, exists, select

from triseal import database
from triseal.choices import LEAST_DAYS
from triseal.site.records import tables

DAY = 86400
# Rows in one transaction, at most and at first. Serials are random, so that each row changes
# several pages of a large database: 100 rows keep others from writing for about 40 ms there. Where
# this takes longer, because the disk is slow or the computer is busy, fewer rows are taken.
_BATCH = 100
_LEAST = 10
_LONGEST = 0.05  # seconds


@dataclass(frozen=True)
class Pruned:
    """The number of deleted rows.

    Attributes:
        seals, templates, certificates: number of rows of each kind.
    """

    seals: int
    templates: int
    certificates: int


def prune(
    engine: Engine, now: int, keep_days: int, stopped: Callable[[], bool] = lambda: False
) -> Pruned:
    """Delete the records that expired more than `keep_days` days before `now`.

    Args:
        engine: the site's database.
        now: the time, Unix seconds.
        keep_days: days, at least LEAST_DAYS.
        stopped: called between two transactions; if it returns true, the rest stays for the next
            time.

    Raises:
        ValueError: `keep_days` is too small.
        DatabaseUnusable: the database can't be read or written.
    """
    if keep_days < LEAST_DAYS:
        raise ValueError(f"{keep_days} days")
    before = now - keep_days * DAY
    table, held = tables.seals, select(tables.holdings.c.serial)
    old = (table.c.not_after < before) & table.c.serial.not_in(held)
    seals = _delete(engine, table, table.c.serial, old, stopped)
    # One look into an index for each template, where NOT IN would read all seals first.
    unused = ~exists().where(table.c.template == tables.templates.c.digest)
    templates = _delete(engine, tables.templates, tables.templates.c.digest, unused, stopped)
    ended = tables.certificates.c.not_after < before
    column = tables.certificates.c.serial
    return Pruned(seals, templates, _delete(engine, tables.certificates, column, ended, stopped))


def _delete(
    engine: Engine, table: Table, key: Column[bytes], which: object, stopped: Callable[[], bool]
) -> int:
    """Delete rows in batches. Each batch is found in one transaction and checked again in another.

    Meanwhile a node may report that it holds a seal, or a seal may be made from a template.
    """
    count, size = 0, min(_LEAST, _BATCH)  # the first ones also read much of the database
    while not stopped():
        with database.reading(engine) as connection:
            query = select(key).where(which).limit(size)  # type: ignore[arg-type]
            keys = connection.scalars(query).all()
        if not keys:
            break
        with database.writing(engine, repeatable=True) as connection:
            begun = time.monotonic()  # after the wait for others
            tables.lock(connection)
            again = table.delete().where(key.in_(keys)).where(which)  # type: ignore[arg-type]
            count += connection.execute(again).rowcount
        size = _next_size(size, time.monotonic() - begun)
    return count


def _next_size(size: int, took: float) -> int:
    """Return the number of rows of the next transaction.

    Args:
        size: number of rows of the last one.
        took: how long it kept others from writing, seconds.
    """
    if took > _LONGEST:
        return max(size // 2, min(size, _LEAST))
    return min(size + size // 4 + 1, _BATCH)
