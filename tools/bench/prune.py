"""Time for which the pruning of a large ledger keeps others from writing."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, insert

from bench import Figure
from triseal import choices, database
from triseal.site.records import pruning, schema, tables

SEALS = 500_000  # that ended long ago
_TEMPLATES = 6000
_KEPT = 3000  # templates that have a valid seal, which its node holds
_CHUNK = 10_000
_NOW = 1_795_363_200
_BEFORE = _NOW - 400 * pruning.DAY
_SIGNATURE = 71
_COMMITS = 4  # about as often as SQLite does it after transactions of the size of `prune`'s


def measure() -> Iterator[Figure]:
    """Yield `prune.lock`: the longest time that one transaction held the write lock of SQLite.

    All seals but a few thousand, and half of the templates, are pruned. The baseline is one DELETE
    of the same seals in one transaction.

    Raises:
        RuntimeError: other rows went than should.
    """
    with tempfile.TemporaryDirectory(prefix="triseal-bench-") as folder:
        path = Path(folder) / "pruned.sqlite"
        fill(path, SEALS).dispose()  # the last connection ends: all is in the one file
        copied = shutil.copy(path, Path(folder) / "at-once.sqlite")
        engine = database.open_database(path, schema.SCHEMA)
        longest = longest_lock(engine)
        done = pruning.prune(engine, _NOW, choices.KEEP_DAYS)
        if done != pruning.Pruned(SEALS, _TEMPLATES - _KEPT, 0):
            raise RuntimeError(f"{done}")
        engine.dispose()
        engine = database.open_database(copied, schema.SCHEMA)
        once = longest_lock(engine)
        with database.writing(engine) as connection:
            connection.execute(tables.seals.delete().where(tables.seals.c.not_after < _NOW))
        engine.dispose()
    yield Figure("prune.lock", longest[0], "s", once[0])


def fill(path: Path, seals: int) -> Engine:
    """Make a ledger of so many seals that ended long ago, and some that are held.

    Args:
        path: of the SQLite file.
        seals: number of seals that ended.
    """
    engine = database.open_database(path, schema.SCHEMA)
    digests = [os.urandom(32) for _ in range(_TEMPLATES)]
    places = [{"node": f"node{number}", "service": "thermostat"} for number in range(_TEMPLATES)]
    with database.writing(engine) as connection:
        rows = [
            {"digest": digest, "tbs": bytes(600), **place}
            for digest, place in zip(digests, places, strict=True)
        ]
        connection.execute(insert(tables.templates), rows)
        valid = [_seal(digests[n], places[n], _NOW) for n in range(_KEPT)]
        connection.execute(insert(tables.seals), valid)
        told = {"state": "running", "told_at": _NOW, "restarts": 0}
        held = [{**places[n], "serial": valid[n]["serial"], **told} for n in range(_KEPT)]
        connection.execute(insert(tables.holdings), held)
    for begin in range(0, seals, _CHUNK):
        numbers = [n % _TEMPLATES for n in range(begin, min(begin + _CHUNK, seals))]
        with database.writing(engine) as connection:
            ended = [_seal(digests[n], places[n], _BEFORE) for n in numbers]
            connection.execute(insert(tables.seals), ended)
    return engine


def longest_lock(engine: Engine) -> list[float]:
    """Return a list whose one number becomes the longest time of a writing transaction, seconds.

    The time runs from the moment when the transaction has the lock to the end of its commit. After
    that SQLite makes a checkpoint without the lock, once in a while; here it is made by hand,
    so that it is not counted.

    Args:
        engine: an SQLite database of `triseal.database`.
    """
    longest = [0.0]
    ended = [0]
    begun: dict[Any, float] = {}

    def begin(connection: Any) -> None:  # called after the listener that sends BEGIN
        begun.clear()
        if not connection.get_execution_options().get("triseal_read_only"):
            connection.exec_driver_sql("PRAGMA wal_autocheckpoint = 0")
            begun[connection.connection.dbapi_connection] = time.perf_counter()

    def checked_in(connection: Any, _: object) -> None:  # called after COMMIT
        if connection in begun:
            longest[0] = max(longest[0], time.perf_counter() - begun.pop(connection))
            ended[0] += 1
            if ended[0] % _COMMITS == 0:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    event.listen(engine, "begin", begin)
    event.listen(engine, "checkin", checked_in)
    return longest


def _seal(template: bytes, place: dict[str, str], begin: int) -> dict[str, Any]:
    """Return the row of a seal of 5000 s."""
    return {
        "serial": os.urandom(16),
        "template": template,
        **place,
        "not_before": begin,
        "not_after": begin + 5000,
        "signature": os.urandom(_SIGNATURE),
    }
