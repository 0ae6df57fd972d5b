"""The follower of a server process: it asks Stores for new releases, and rolls them out."""

from __future__ import annotations

import asyncio
import logging
import time

from sealcore.errors import SealError
from triseal import advice
from triseal.errors import Failure
from triseal.site import following
from triseal.site.following import Follow, Follows
from triseal.site.manager import Manager
from triseal.site.server.duties import Duty, is_trouble
from triseal.stop import Stop

DUTY = "following"
EVERY = 600  # seconds between two questions to a Store
AGAIN = 60  # seconds after a failure
_TICK = 5.0
_MOST_SAID = 1000  # characters; a Store may answer with a long text

_log = logging.getLogger(__name__)


class NotUnderstood(Failure):
    """Triseal has a defect, which the answer of a Store has shown."""

    code = "defect"
    advice = "Report it with the traceback in the server's log, and update Triseal."


async def keep(manager: Manager, duty: Duty, tick: float = _TICK) -> None:
    """Follow services until cancelled. A step that has begun then waits for no Store.

    Args:
        manager: the site.
        duty: takes failures of the site itself.
        tick: seconds between two looks at rollouts.
    """
    follows = Follows(manager.folder)
    stop = Stop()
    try:
        while True:
            await asyncio.sleep(duty.pause or tick)
            if follows.names():
                await duty.attempt(lambda: asyncio.to_thread(step, manager, follows, stop=stop))
    finally:
        stop.end()


def step(
    manager: Manager, follows: Follows, *, at_once: bool = False, stop: Stop | None = None
) -> list[Follow]:
    """Ask the Stores that are due, and go on with rollouts.

    Stores that answer slowly keep no rollout waiting: after `following.LONGEST` seconds no further
    Store is asked in this step. The next step begins with those that were asked longest ago.

    Args:
        manager: the site.
        follows: the services that it follows.
        at_once: whether all Stores are asked now.
        stop: ends the step, from another thread; what was not done is done by the next one.

    Returns: all services, as they are known now.

    Raises:
        Failure: what is known of a service can't be read or kept; all others were followed.
    """
    failed: list[Failure] = []
    stop = stop or Stop()
    with follows.alone():
        end = time.monotonic() + following.LONGEST
        late = False
        known = _known(follows, failed)
        for follow in sorted(known, key=lambda one: one.checked):
            if stop.over:
                break
            due = at_once or (_is_due(manager, follow) and not late)
            try:
                if due | (follow.wave is not None):
                    _one(manager, follow, stop, due=due)
                    follows.put(follow)
            except Failure as error:
                failed.append(error)
            late = time.monotonic() > end
    if failed:
        raise failed[0]
    return known


def _known(follows: Follows, failed: list[Failure]) -> list[Follow]:
    found = []
    for name in follows.names():
        try:
            found.append(follows.get(name))
        except Failure as error:
            failed.append(error)
    return found


def _is_due(manager: Manager, follow: Follow) -> bool:
    wait = AGAIN if follow.trouble else EVERY
    return manager.time() - follow.checked >= wait


def _one(manager: Manager, follow: Follow, stop: Stop, *, due: bool) -> None:
    """Do what is to be done for one service; a failure there keeps no other from being followed."""
    before = follow.state, follow.trouble
    try:
        if due:
            _check(manager, follow, stop)
        following.advance(manager, follow)
    except (Failure, SealError, OSError) as error:
        if stop.over:
            return
        code, detail = advice.explain(error)[:2]
        follow.checked = manager.time()
        follow.trouble = advice.printable(f"{code}: {detail}")[:_MOST_SAID]
        if follow.trouble != before[1]:
            said = {"service": follow.service, "code": code, "detail": detail[:_MOST_SAID]}
            defect = error.__cause__ if isinstance(error, NotUnderstood) else None
            _log.warning("not followed", extra=said, exc_info=defect)
    if follow.state != before[0]:
        _log.info("followed", extra={"service": follow.service, "detail": follow.state})


def _check(manager: Manager, follow: Follow, stop: Stop) -> None:
    """Ask the Store of a service.

    What it answers is foreign: even if Triseal has a defect there, a Store must not be able to end
    the server, which all nodes depend on.
    """
    try:
        following.check(manager, follow, stop)
    except Exception as error:
        if is_trouble(error):
            raise
        raise NotUnderstood(advice.explain(error)[1]) from error
