"""The janitor of a server process: it prunes the ledger every hour, in its own thread."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

from sqlalchemy import Engine

from triseal.database import DatabaseUnusable
from triseal.site.clock import Guard
from triseal.site.records import pruning

_EVERY = 3600.0

_log = logging.getLogger(__name__)


async def keep(engine: Engine, keep_days: int, guard: Guard, every: float = _EVERY) -> None:
    """Prune the ledger at intervals until cancelled. A transaction that has begun is finished.

    Args:
        engine: the site's database.
        keep_days: how long expired records are kept, days; see `pruning.prune`.
        guard: the guard of the server's clock. With a wrong clock everything could look expired.
        every: interval, seconds.
    """
    stop = threading.Event()

    def stopped() -> bool:
        return stop.is_set() or bool(guard.jump())

    try:
        while True:
            await asyncio.sleep(every)
            try:
                now = int(time.time())
                done = await asyncio.to_thread(pruning.prune, engine, now, keep_days, stopped)
                _log.info("pruned", extra=vars(done))
            except DatabaseUnusable as error:
                _log.error("not pruned", extra={"code": error.code, "detail": str(error)})
    finally:
        stop.set()
