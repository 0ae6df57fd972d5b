"""The HTTP pages of a server process, on a loopback address: health, metrics, a node's log."""

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
from triseal.site.server.metrics import Figures, Metrics
from triseal.site.server.sessions.registry import Registry
from triseal.site.server.signing.pipeline import Pipeline

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_FOLLOWER_LINES = 256
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


def app(
    pipeline: Pipeline, registry: Registry, metrics: Metrics, lines: Mapping[str, str], guard: Guard
) -> FastAPI:
    """Make the HTTP application of one server process.

    `/health` says whether the database answers and the clock is trusted. `/metrics` is for
    Prometheus. `/nodes` lists the connected nodes. `/nodes/NODE/log` follows a node's log as JSON.

    Args:
        pipeline: reads the state of the site.
        registry: the connected nodes.
        metrics: the metrics of the process.
        lines: name of the served node by serial port, "" for none.
        guard: the guard of the server's clock.
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
        await pipeline.refresh()
        return {
            "status": ClockDoubted.code if guard.jump() else "ok",
            "connected": len(registry),
            "revision": pipeline.revision,
            "lines": lines,
        }

    @pages.get("/metrics")
    async def page() -> Response:
        read = await pipeline.read(lambda snapshot: figures(snapshot.connection, snapshot.now))
        return Response(metrics.text(read), media_type=_TEXT)

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
    """Defence against DNS rebinding: serve only loopback Host headers."""
    host = request.headers.get("host", "")
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    if name.lower() not in _LOOPBACK:
        raise HTTPException(421, "the Host header does not name this server")


async def _lines(registry: Registry, node: str) -> AsyncIterator[bytes]:
    """Copy the node's log until its connection ends or the client leaves."""
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


def figures(connection: Connection, now: int) -> Figures:
    """Read the figures about seals and nodes for the page for Prometheus.

    Args:
        connection: any transaction.
        now: the time, Unix seconds.
    """
    table = tables.nodes.c
    query = select(table.name, table.heard_at)
    rows = connection.execute(query.where(table.heard_at.is_not(None), table.retired_at.is_(None)))
    silent = {row.name: now - row.heard_at for row in rows}
    ends = _ends(connection)
    left = [end - now for end in ends if end >= now]
    return Figures(min(left, default=None), len(ends) - len(left), silent)


def _ends(connection: Connection) -> list[int]:
    """Return the end of the newest seal of each assigned service on nodes that are not retired.

    Services that were never sealed are left out.
    """
    seals, assigned = tables.seals.c, tables.assignments.c
    here = (seals.node == assigned.node) & (seals.service == assigned.service)
    newest = select(func.max(seals.not_after)).where(here).scalar_subquery()
    nodes = tables.nodes.c
    present = select(nodes.name).where(nodes.retired_at.is_(None))
    found = connection.scalars(select(newest).where(assigned.node.in_(present)))
    return [end for end in found if end is not None]


class PagesServer(uvicorn.Server):
    """A uvicorn server for a process that handles its signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers of the process alone."""
        yield


def server(pages: FastAPI) -> PagesServer:
    """Make an HTTP server for the pages. The caller gives it a listening socket.

    Args:
        pages: the application.
    """
    return PagesServer(uvicorn.Config(pages, log_config=None, access_log=False, lifespan="off"))
