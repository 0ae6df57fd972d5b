"""The janitor of a server process: it prunes the ledger every hour, in its own thread."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

from sqlalchemy import Engine

from triseal.site.clock import Guard
from triseal.site.records import pruning
from triseal.site.server.duties import Duty

DUTY = "pruning"
_EVERY = 3600.0
PAUSES = (60.0, _EVERY)  # seconds, after a failure

_log = logging.getLogger(__name__)


async def keep(
    engine: Engine, keep_days: int, guard: Guard, duty: Duty, every: float = _EVERY
) -> None:
    """Prune the ledger at intervals until cancelled. A transaction that has begun is finished.

    Args:
        engine: the site's database.
        keep_days: how long expired records are kept, days; see `pruning.prune`.
        guard: the guard of the server's clock. With a wrong clock everything could look expired.
        duty: takes failures.
        every: interval, seconds.
    """
    stop = threading.Event()

    def stopped() -> bool:
        return stop.is_set() or bool(guard.jump())

    async def prune() -> None:
        now = int(time.time())
        done = await asyncio.to_thread(pruning.prune, engine, now, keep_days, stopped)
        _log.info("pruned", extra=vars(done))

    try:
        while True:
            await asyncio.sleep(duty.pause or every)
            await duty.attempt(prune)
    finally:
        stop.set()
