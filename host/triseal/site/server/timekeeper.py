"""Keeps an eye on the server's clock: notes the time, and waits for a person when it jumped."""

from __future__ import annotations

import asyncio
import logging
import time

from triseal.database import DatabaseUnusable
from triseal.errors import Failure
from triseal.site import clock
from triseal.site.clock import Guard
from triseal.site.server.signing.pipeline import Desk
from triseal.site.server.signing.task import Draft, Look

EVERY = 1.0
_NOTE_EVERY = 10.0

_log = logging.getLogger(__name__)


async def keep(desk: Desk, guard: Guard) -> None:
    """Until cancelled. The desk refuses to sign by itself as soon as the guard is in doubt."""
    noted, doubted, ahead = 0.0, False, guard.ahead()
    while True:
        try:
            if doubted and guard.jump() and await _accepted(desk):
                guard.believe()
            due = not noted or time.monotonic() - noted >= _NOTE_EVERY
            due = due or abs(guard.ahead() - ahead) >= clock.LEAST_STEP
            if bool(guard.jump()) != doubted or (due and not doubted):
                doubted = await _note(desk, guard, doubted)
                noted, ahead = time.monotonic(), guard.ahead()
        except (DatabaseUnusable, Failure) as error:
            _log.error("time not noted", extra={"code": error.code, "detail": str(error)})
        await asyncio.sleep(EVERY)


async def _note(desk: Desk, guard: Guard, before: bool) -> bool:
    """Note the time, and whether it is in doubt; returns that."""
    found: list[float] = []

    def task(_: Look) -> Draft:
        found.append(guard.jump())
        now, doubted = int(guard.now()), bool(found[-1])
        ahead = None if doubted else guard.ahead()
        return Draft(
            writes=[lambda connection: clock.note(connection, now, doubted=doubted, ahead=ahead)]
        )

    await desk.ask(task)
    if found[-1]:
        what = {"code": clock.ClockDoubted.code, "detail": f"jumped by {found[-1]:+.0f} s"}
        _log.error("nothing is signed", extra=what)
    elif before:
        _log.warning("the clock is right again, or was accepted")
    return bool(found[-1])


async def _accepted(desk: Desk) -> bool:
    found: list[bool] = []

    def task(look: Look) -> Draft:
        found.append(clock.is_accepted(look.connection))
        return Draft()

    await desk.ask(task)
    return found[-1]
