"""The pages of a server process: health, metrics and a node's log. For a loopback address."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, func, select

from triseal.site.clock import ClockDoubted, Guard
from triseal.site.records import tables
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.registry import Registry
from triseal.site.server.signing.pipeline import Desk
from triseal.site.server.signing.task import Draft, Look

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_FOLLOWER_LINES = 256
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


def app(
    desk: Desk, registry: Registry, metrics: Metrics, lines: Mapping[str, str], guard: Guard
) -> FastAPI:
    """The pages of one server process.

    Args:
        lines: which node is served at which serial port.
        guard: of the server's clock.

    `/health` says whether the database answers and the clock is believed, `/metrics` is for
    Prometheus, `/nodes` lists who is connected here, `/nodes/NODE/log` follows a connected node's
    log as lines of JSON. All of them only for who asks for them by a loopback name.
    """
    pages = FastAPI(
        title="Triseal site",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(_check_host)],
    )

    @pages.get("/health")
    async def health() -> dict[str, Any]:
        await desk.ask(_nothing)
        return {
            "status": ClockDoubted.code if guard.jump() else "ok",
            "connected": len(registry),
            "revision": desk.revision,
            "lines": lines,
        }

    @pages.get("/metrics")
    async def page() -> Response:
        found: dict[str, Any] = {}
        await desk.ask(lambda look: _figures(look, found))
        return Response(metrics.text(found["expiry"], found["silent"]), media_type=_TEXT)

    @pages.get("/nodes")
    async def connected() -> list[str]:
        return sorted(connection.node for connection in registry)

    @pages.get("/nodes/{node}/log")
    async def log(node: str) -> StreamingResponse:
        connection = registry.get(node)
        if connection is None:
            raise HTTPException(404, "the node is not connected to this server")
        return StreamingResponse(_lines(registry, node), media_type="application/x-ndjson")

    return pages


async def _check_host(request: Request) -> None:
    """Refuse what a browser asks for a page of elsewhere whose name was made to mean here."""
    host = request.headers.get("host", "")
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    if name.lower() not in _LOOPBACK:
        raise HTTPException(421, "not a name of this server")


async def _lines(registry: Registry, node: str) -> AsyncIterator[bytes]:
    """The node's log until its connection or the follower ends."""
    connection = registry.get(node)
    if connection is None:
        return
    queue: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue(_FOLLOWER_LINES)
    connection.follow(queue)
    try:
        while (line := await queue.get()) is not None:
            service, text = line
            fields = {"time": int(time.time()), "node": node, "service": service, "text": text}
            yield json.dumps(fields).encode() + b"\n"
    finally:
        connection.unfollow(queue)


def _nothing(_: Look) -> Draft:
    return Draft()


def _figures(look: Look, found: dict[str, Any]) -> Draft:
    expiry = _next_expiry(look.connection)
    found["expiry"] = None if expiry is None else expiry - look.now
    table = tables.nodes.c
    rows = look.connection.execute(
        select(table.name, table.heard_at).where(table.heard_at.is_not(None))
    )
    found["silent"] = {row.name: look.now - row.heard_at for row in rows}
    return Draft()


def _next_expiry(connection: Connection) -> int | None:
    seals, assigned = tables.seals.c, tables.assignments.c
    here = (seals.node == assigned.node) & (seals.service == assigned.service)
    newest = select(func.max(seals.not_after)).where(here).scalar_subquery()
    found = connection.execute(select(func.min(newest)).select_from(tables.assignments)).scalar()
    return None if found is None else int(found)


class PagesServer(uvicorn.Server):
    """uvicorn within a process that handles its signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def server(pages: FastAPI) -> PagesServer:
    """A server for these pages, which takes its socket from whoever serves them."""
    return PagesServer(uvicorn.Config(pages, log_config=None, access_log=False, lifespan="off"))
