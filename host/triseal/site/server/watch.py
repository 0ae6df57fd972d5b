"""The watch of a server process: sees changes, renews its certificate, records heard nodes."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import Connection

from triseal.site.records import nodes, twins
from triseal.site.server.duties import Duties
from triseal.site.server.listeners.certificate import Identity
from triseal.site.server.sessions.registry import Registry
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.signing.task import Answer, Snapshot

EVERY = 0.3  # seconds between two checks of the revision
_HEARD_EVERY = 10.0


async def watch(pipeline: Pipeline, identity: Identity, registry: Registry, duties: Duties) -> None:
    """Watch the database until cancelled. Each process of a site does so for its own nodes.

    Args:
        pipeline: reads and writes the database.
        identity: the server's certificate.
        registry: the connected nodes.
        duties: takes failures. Nodes go on with the seals that they have meanwhile.
    """
    changes = duties.add("changes", EVERY, 5.0)
    certificate = duties.add("certificate")
    notes = duties.add("notes")
    noted = time.monotonic()

    async def see() -> None:
        await pipeline.refresh()
        for connection in registry:
            if connection.session.revision < pipeline.changed_at(connection.node):
                connection.touch()

    while True:
        await asyncio.sleep(EVERY)
        await changes.attempt(see)
        if time.time() >= identity.renew_at or identity.made_with is not pipeline.authority:
            await certificate.attempt(lambda: pipeline.answer(identity.issue))
        if time.monotonic() - noted >= _HEARD_EVERY and await notes.attempt(
            lambda: _note(pipeline, registry)
        ):
            noted = time.monotonic()


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

    try:
        await pipeline.answer(task)
    except Exception:
        registry.keep(heard, claimed)
        raise
