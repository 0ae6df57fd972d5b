"""Takes out of the ledger what expired long ago, a little at a time.

What stays: every seal and certificate that is valid or expired less than so many days ago, and
every seal that a node said it holds, whatever its age: by it the site knows what the node runs.
A change is bounded by seals that are still valid (`guarantee`), so it needs nothing of the rest.
Evidence holds the seals that contradict each other, and needs no ledger (`triseal evidence`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Column, Engine, Table, select

from triseal import database
from triseal.site.records import tables

DAY = 86400
KEEP_DAYS = 90
LEAST_DAYS = 1
_BATCH = 500  # rows in one transaction: a renewal waits for some milliseconds at most


@dataclass(frozen=True)
class Pruned:
    """How many rows of each kind were deleted."""

    seals: int
    templates: int
    certificates: int


def prune(
    engine: Engine, now: int, keep_days: int, stopped: Callable[[], bool] = lambda: False
) -> Pruned:
    """Delete what expired more than `keep_days` days before `now`.

    Args:
        engine: the site's database.
        now: Unix seconds.
        keep_days: at least LEAST_DAYS.
        stopped: asked between two transactions; when true, the rest is left for the next time.

    Raises: ValueError, DatabaseUnusable.
    """
    if keep_days < LEAST_DAYS:
        raise ValueError(f"{keep_days} days")
    before = now - keep_days * DAY
    table, held = tables.seals, select(tables.holdings.c.serial)
    old = (table.c.not_after < before) & table.c.serial.not_in(held)
    seals = _delete(engine, table, table.c.serial, old, stopped)
    unused = tables.templates.c.digest.not_in(select(table.c.template))
    templates = _delete(engine, tables.templates, tables.templates.c.digest, unused, stopped)
    ended = tables.certificates.c.not_after < before
    column = tables.certificates.c.serial
    return Pruned(seals, templates, _delete(engine, tables.certificates, column, ended, stopped))


def _delete(
    engine: Engine, table: Table, key: Column[bytes], which: object, stopped: Callable[[], bool]
) -> int:
    """Rows are looked for outside of the transactions that delete them, and looked at again there:
    a node may say meanwhile that it holds one, or a seal may be made of a template."""
    done = 0
    while not stopped():
        with database.reading(engine) as connection:
            found = connection.scalars(select(key).where(which).limit(_BATCH)).all()  # type: ignore[arg-type]
        if not found:
            break
        with database.writing(engine) as connection:
            tables.lock(connection)
            again = table.delete().where(key.in_(found)).where(which)  # type: ignore[arg-type]
            done += connection.execute(again).rowcount
    return done
