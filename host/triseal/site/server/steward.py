"""The steward of a server process: it applies the rules that deploy, after nodes have said what
they are."""

from __future__ import annotations

import asyncio
import logging

from sealcore import timetext
from triseal.site.manager import Manager
from triseal.site.records.placement import Place
from triseal.site.rules.deploying import Applied
from triseal.site.rules.guarantee import Guarantee
from triseal.site.server.duties import Duty

DUTY = "rules"
_EVERY = 1.0
# Looks without anything new until it applies the rules all the same: other facts change seldom.
_ALWAYS = 60

_log = logging.getLogger(__name__)


async def keep(manager: Manager, duty: Duty, every: float = _EVERY) -> None:
    """Apply the rules at intervals until cancelled.

    Args:
        manager: the site.
        duty: takes failures. Nodes keep what they have meanwhile.
        every: seconds between two looks.
    """
    seen, looks = 0, _ALWAYS

    async def look() -> None:
        nonlocal seen, looks
        newest = await asyncio.to_thread(manager.told_at)
        looks += 1
        if newest < seen and looks < _ALWAYS:
            return
        done = await asyncio.to_thread(manager.apply_rules)
        # More may be said in the same second.
        seen, looks = newest + (newest < manager.time()), 0
        if done.changed:
            found = await asyncio.to_thread(manager.guarantee_of, done)
            for place in done.changed:
                _log.info("by rule", extra=_said(done, found, place))

    while True:
        await asyncio.sleep(duty.pause or every)
        await duty.attempt(look)


def _said(done: Applied, found: Guarantee, place: Place) -> dict[str, str]:
    """Say what a rule has done, and by when it is in force."""
    what = "given" if place in done.given else "taken"
    until = found.waiting.get(place.node)
    bound = f", in force by {timetext.iso(until)} at the latest" if until else ""
    return {"node": place.node, "service": place.service, "detail": what + bound}
