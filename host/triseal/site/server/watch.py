"""What the server does by itself: sees changes, renews its certificate, notes who was heard."""

from __future__ import annotations

import asyncio
import logging
import time

from sqlalchemy import Connection

from triseal.database import DatabaseUnusable
from triseal.errors import Failure
from triseal.site.records import nodes, twins
from triseal.site.server.listeners.certificate import Identity
from triseal.site.server.sessions.registry import Registry
from triseal.site.server.signing.pipeline import Desk
from triseal.site.server.signing.task import Draft, Look

EVERY = 0.3  # seconds between looks at the revision
_HEARD_EVERY = 10.0

_log = logging.getLogger(__name__)


async def watch(desk: Desk, identity: Identity, registry: Registry) -> None:
    """Look for changes until cancelled; every process of a site does so for its own nodes."""
    noted = time.monotonic()
    while True:
        await asyncio.sleep(EVERY)
        try:
            await desk.ask(_look)
            for connection in registry:
                if connection.session.revision != desk.revision:
                    connection.touch()
            if time.time() >= identity.renew_at:
                await desk.ask(identity.issue)
            if time.monotonic() - noted >= _HEARD_EVERY:
                noted = time.monotonic()
                await _note(desk, registry)
        except (DatabaseUnusable, Failure) as error:
            # Nodes live on what they have; the next look may find the database there again.
            _log.error("no look at the database", extra={"code": error.code, "detail": str(error)})


def _look(_: Look) -> Draft:
    """Asking for anything makes the desk look at the revision."""
    return Draft()


async def _note(desk: Desk, registry: Registry) -> None:
    heard = sorted(registry.take_heard())
    claimed = registry.take_claimed()
    if not heard and not claimed:
        return

    def task(look: Look) -> Draft:
        def record(connection: Connection) -> None:
            for node in heard:
                nodes.heard(connection, node, look.now)
            if claimed:
                twins.note(connection, claimed, look.now)

        return Draft(writes=[record])

    await desk.ask(task)
