"""The watch of a server process: sees changes, renews its certificate, records heard nodes."""

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
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.signing.task import Answer, Snapshot

EVERY = 0.3  # seconds between two checks of the revision
_HEARD_EVERY = 10.0

_log = logging.getLogger(__name__)


async def watch(pipeline: Pipeline, identity: Identity, registry: Registry) -> None:
    """Watch the database until cancelled. Each process of a site does so for its own nodes.

    Args:
        pipeline: reads and writes the database.
        identity: the server's certificate.
        registry: the connected nodes.
    """
    noted = time.monotonic()
    while True:
        await asyncio.sleep(EVERY)
        try:
            await pipeline.refresh()
            for connection in registry:
                if connection.session.revision < pipeline.changed_at(connection.node):
                    connection.touch()
            if time.time() >= identity.renew_at:
                await pipeline.answer(identity.issue)
            if time.monotonic() - noted >= _HEARD_EVERY:
                noted = time.monotonic()
                await _note(pipeline, registry)
        except (DatabaseUnusable, Failure) as error:
            # Nodes go on with the seals that they have; the database may answer the next time.
            _log.error("database not read", extra={"code": error.code, "detail": str(error)})


async def _note(pipeline: Pipeline, registry: Registry) -> None:
    heard = sorted(registry.take_heard())
    claimed = registry.take_claimed()
    if not heard and not claimed:
        return

    def task(snapshot: Snapshot) -> Answer:
        def record(connection: Connection) -> None:
            for node in heard:
                nodes.heard(connection, node, snapshot.now)
            if claimed:
                twins.note(connection, claimed, snapshot.now)

        return Answer(writes=[record])

    await pipeline.answer(task)
