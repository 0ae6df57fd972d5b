"""The pages about the state of a server process: /livez, /readyz, /health and /metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse

TEXT = "text/plain; version=0.0.4; charset=utf-8"
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


class Problem(NamedTuple):
    """A problem of a server process or of what it serves.

    Attributes:
        code: its stable code.
        detail: what was seen.
        stops: whether nobody can be served meanwhile.
    """

    code: str
    detail: str
    stops: bool


def answer(problems: list[Problem], more: dict[str, Any]) -> JSONResponse:
    """Answer with problems; `status` is the code of the worst one.

    Args:
        problems: the worst ones first.
        more: what else the page says.
    """
    status = problems[0].code if problems else "ok"
    listed = [{"code": one.code, "detail": one.detail, "stops": one.stops} for one in problems]
    stopped = any(one.stops for one in problems)
    return JSONResponse({"status": status, "problems": listed} | more, 503 if stopped else 200)


async def check_host(request: Request) -> None:
    """Defence against DNS rebinding: serve only loopback Host headers.

    Args:
        request: the request.
    """
    host = request.headers.get("host", "")
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    if name.lower() not in _LOOPBACK:
        raise HTTPException(421, "the Host header does not name this server")
