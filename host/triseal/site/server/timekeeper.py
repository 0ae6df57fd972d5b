"""The timekeeper of a server process: it records the time, and detects jumps of the clock."""

from __future__ import annotations

import asyncio
import logging
import time

from sqlalchemy import Connection

from triseal.site import clock
from triseal.site.clock import Guard
from triseal.site.server.duties import Duty
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.signing.task import Answer, Snapshot

DUTY = "clock"
EVERY = 1.0
_NOTE_EVERY = 10.0

_log = logging.getLogger(__name__)


async def keep(pipeline: Pipeline, guard: Guard, duty: Duty) -> None:
    """Note the time at intervals until cancelled, and log when the clock jumps or is right again.

    The pipeline itself refuses to sign as soon as the guard doubts the clock.

    Args:
        pipeline: reads and writes the database.
        guard: the guard of the server's clock.
        duty: takes failures.
    """
    noted, doubted, ahead = 0.0, False, guard.ahead()

    async def look() -> None:
        nonlocal noted, doubted, ahead
        if doubted and guard.jump() and await pipeline.read(_is_accepted):
            guard.trust()
        due = not noted or time.monotonic() - noted >= _NOTE_EVERY
        due = due or abs(guard.ahead() - ahead) >= clock.LEAST_STEP
        if bool(guard.jump()) != doubted or (due and not doubted):
            doubted = await _note(pipeline, guard, doubted)
            noted, ahead = time.monotonic(), guard.ahead()

    while True:
        await duty.attempt(look)
        await asyncio.sleep(EVERY)


async def _note(pipeline: Pipeline, guard: Guard, before: bool) -> bool:
    """Note the time and whether it is in doubt. Returns whether it is in doubt."""
    jump = 0.0

    def task(_: Snapshot) -> Answer:
        nonlocal jump
        jump = guard.jump()
        now, doubted = int(guard.now()), bool(jump)
        ahead, lead = None if doubted else guard.ahead(), guard.lead()

        def write(connection: Connection) -> None:
            clock.note(connection, now, doubted=doubted, ahead=ahead, lead=lead)

        return Answer(writes=[write])

    await pipeline.answer(task)
    if jump:
        fields = {"code": clock.ClockDoubted.code, "detail": f"jumped by {jump:+.0f} s"}
        _log.error("nothing is signed", extra=fields)
    elif before:
        _log.warning("the clock is right again, or was accepted")
    return bool(jump)


def _is_accepted(snapshot: Snapshot) -> bool:
    return clock.is_accepted(snapshot.connection)
