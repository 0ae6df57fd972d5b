"""Each answer of the server in metrics and log: which route, which status, how long it took."""

from __future__ import annotations

import logging
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from triseal.store.server import problems
from triseal.store.server.metrics import Metrics

_OTHER = "other"
_MOST_PATH = 200
_log = logging.getLogger(__name__)


class Watched:
    """An application whose answers are counted and logged.

    Args:
        app: the application.
        metrics: the metrics of the process.
        streams: routes whose time says nothing.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, streams: tuple[str, ...] = ()) -> None:
        self._app = app
        self._metrics = metrics
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: the server calls this.

        Args:
            scope: what the request is.
            receive: returns its next part.
            send: takes the next part of the answer.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            self._note(scope, status, time.monotonic() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = str(getattr(scope.get("route"), "path", _OTHER))
        self._metrics.answers.labels(route, str(status)).inc()
        if route not in self._streams:
            self._metrics.seconds.labels(route).inc(seconds)
        code = str(scope.get(problems.CODE, ""))
        if code:
            self._metrics.refused.labels(code).inc()
        level = logging.DEBUG if scope["method"] in ("GET", "HEAD") else logging.INFO
        if status >= 500:
            level = logging.WARNING
        client = scope.get("client")
        fields = {
            "method": scope["method"],
            "path": str(scope["path"])[:_MOST_PATH],
            "status": status,
            "seconds": round(seconds, 3),
            "address": client[0] if client else "",
        }
        _log.log(level, "answered", extra=fields | ({"code": code} if code else {}))
