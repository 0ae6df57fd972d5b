"""The HTTP pages of a server process: health, metrics, a node's log.

A page that can't be made because of the database answers 503 with the cause, and logs nothing:
`health` logs each problem once. The log of a node is on the Unix socket only, see
`listeners.pages`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from triseal import advice
from triseal.errors import Failure
from triseal.serving import state
from triseal.serving.state import TEXT, check_host
from triseal.site.server.health import Health
from triseal.site.server.listeners.pages import is_private
from triseal.site.server.sessions.registry import Registry
from triseal.site.server.signing.pipeline import Pipeline

_FOLLOWER_LINES = 256


def app(
    pipeline: Pipeline, registry: Registry, lines: Mapping[str, str], health: Health
) -> FastAPI:
    """Make the HTTP application of one server process.

    `/livez`, `/readyz` and `/health` are described in `health`. `/metrics` is for Prometheus.
    `/nodes` lists the connected nodes. `/nodes/NODE/log` follows a node's log as JSON.

    Args:
        pipeline: reads the state of the site.
        registry: the connected nodes.
        lines: name of the served node by serial port, "" for none.
        health: the health of the process.
    """
    pages = FastAPI(
        title="Triseal site",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(check_host)],
    )

    _add_state(pages, pipeline, registry, lines, health)

    _add_nodes(pages, registry)
    return pages


def _add_nodes(pages: FastAPI, registry: Registry) -> None:
    @pages.get("/nodes")
    async def connected() -> list[str]:
        return sorted(connection.node for connection in registry)

    @pages.get("/nodes/{node}/log")
    async def log(node: str, request: Request) -> StreamingResponse:
        if not is_private(request):
            raise HTTPException(403, "the log of a node is on the Unix socket of the server only")
        connection = registry.get(node)
        if connection is None:
            raise HTTPException(404, "the node is not connected to this server")
        return StreamingResponse(_lines(registry, node), media_type="application/x-ndjson")


def _add_state(
    pages: FastAPI,
    pipeline: Pipeline,
    registry: Registry,
    lines: Mapping[str, str],
    health: Health,
) -> None:
    """Add the pages about the state of the process."""

    @pages.exception_handler(Failure)
    async def unanswered(_: Request, error: Failure) -> Response:
        code, message, what = advice.explain(error)
        parts = {"code": code, "message": message, "advice": what}
        return JSONResponse({"error": parts}, 503)

    @pages.get("/livez")
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @pages.get("/readyz")
    async def ready() -> Response:
        return state.answer(await health.stopping(), {})

    @pages.get("/health")
    async def everything() -> Response:
        more = {"connected": len(registry), "revision": pipeline.revision, "lines": dict(lines)}
        return state.answer(await health.all(), more)

    @pages.get("/metrics")
    async def page() -> Response:
        return Response(await health.page(), media_type=TEXT)


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
