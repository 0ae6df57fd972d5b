"""The reading side of a Store's server: its public files, from a folder or from a bucket.

A file of a bucket is handed on as it comes, and held whole nowhere. The last piece of a package is
sent only if all of it has the hash in its name: a package that was changed or cut in the bucket
never arrives as a complete answer. What the other files say is proved by the log's checkpoint.
"""

from __future__ import annotations

import itertools
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from sealcore import errors, names
from triseal import package
from triseal.errors import DamagedStore, Failure, Quarantined
from triseal.log import tiles
from triseal.log.errors import BadLogData
from triseal.package import SUFFIX
from triseal.storage import Stream
from triseal.store.pages import INDEX, MAX_PAGE, STORE, Pages
from triseal.store.server import problems

_FOREVER = "public, max-age=31536000, immutable"
_FRESH = "no-cache"
_PLAIN = {"X-Content-Type-Options": "nosniff"}
_PIECE = 1 << 16
MOST_DIGITS = 15  # of a position in the log
_MOST = max(MAX_PAGE, package.MAX_SIZE, tiles.MAX_BUNDLE)
# The files that can be read, and what stands in their paths.
_READ: Mapping[str, Mapping[str, str]] = {
    "/v1/store.json": {},
    "/v1/index.json": {},
    "/v1/services/{service}.json": {"service": "Name of the service"},
    f"/v1/packages/{{digest}}{SUFFIX}": {"digest": "SHA-256 of the package, hex"},
    "/log/checkpoint": {},
    "/log/tile/{tile:path}": {"tile": "As C2SP tlog-tiles has it"},
}
_PACKAGE = re.compile(r"v1/packages/([0-9a-f]{64})" + re.escape(SUFFIX))
_SERVICE = re.compile(r"v1/services/([^/]{1,63})\.json")


class NotThere(Failure):
    """The Store's server has no such page."""

    code = "not-found"
    advice = "Check the URL."


def add(made: FastAPI, pages: Pages) -> None:
    """Add the public files to an application.

    Args:
        made: the application.
        pages: the files.
    """

    async def read(asked: Request) -> Response:
        path = str(asked.scope["path"]).removeprefix("/")
        kept = _cached(path)
        if kept is None:
            raise NotThere(path)
        headers = _PLAIN | {"Cache-Control": kept}
        if pages.files.local(path) is not None:
            return _of_folder(pages, path, headers)
        size, pieces = await run_in_threadpool(_opened, pages, path)
        headers |= {"Content-Length": str(size)}
        if asked.method == "HEAD":
            return Response(headers=headers, media_type=_kind(path))
        return StreamingResponse(pieces, headers=headers, media_type=_kind(path))

    for path, texts in _READ.items():
        made.add_api_route(
            path,
            read,
            methods=["GET"],
            response_class=FileResponse,
            responses=problems.documented(403, 404, 503),
            openapi_extra={"parameters": parameters("path", texts)},
        )
    made.add_api_route("/{path:path}", read, methods=["GET", "HEAD"], include_in_schema=False)


def parameters(where: str, texts: Mapping[str, str], kind: str = "string") -> list[dict[str, Any]]:
    """Describe parameters for the OpenAPI document.

    Args:
        where: path, query or header.
        texts: descriptions by name.
        kind: their type; an integer is a position in the log.
    """
    schema: dict[str, Any] = {"type": kind}
    if kind == "integer":
        schema |= {"minimum": 0, "maximum": 10**MOST_DIGITS - 1}
    return [
        {
            "name": name,
            "in": where,
            "required": where == "path",
            "description": text,
            "schema": schema,
        }
        for name, text in texts.items()
    ]


def _of_folder(pages: Pages, path: str, headers: dict[str, str]) -> Response:
    found = pages.files.local(path)
    try:
        known = found.stat() if found is not None else None
    except (OSError, ValueError):  # also a name that no file can have
        known = None
    if found is None or known is None or not stat.S_ISREG(known.st_mode):
        raise _missing(pages, path)
    return FileResponse(found, headers=headers, media_type=_kind(path), stat_result=known)


def _opened(pages: Pages, path: str) -> tuple[int, Iterator[bytes]]:
    """Open a file of a bucket; a fault at its beginning is still a refusal of its own."""
    try:
        stream = pages.files.opened(path)
    except FileNotFoundError:
        raise _missing(pages, path) from None
    pieces = _pieces(stream, path)
    first = next(pieces, b"")
    return stream.size, itertools.chain((first,), pieces)


def _pieces(stream: Stream, path: str) -> Iterator[bytes]:
    with closing(stream):
        if stream.size > _MOST:
            raise DamagedStore(f"{path} has {stream.size} bytes")
        found = _PACKAGE.fullmatch(path)
        if found is None:
            yield from _plain(stream.read, stream.size, path)
        else:
            yield from package.checked(stream.read, stream.size, found[1])


def _plain(read: Callable[[int], bytes], size: int, path: str) -> Iterator[bytes]:
    while size:
        piece = read(min(size, _PIECE))
        if not piece:
            raise DamagedStore(f"{path} ends {size} bytes early")
        size -= len(piece)
        yield piece


def _missing(pages: Pages, path: str) -> Failure:
    found = _PACKAGE.fullmatch(path)
    return Quarantined(found[1]) if found and pages.held(found[1]) else NotThere(path)


def _kind(path: str) -> str:
    if path.endswith(".json"):
        return "application/json"
    text = path.rpartition("/")[2] in (tiles.CHECKPOINT, tiles.WITNESSED)
    return "text/plain; charset=utf-8" if text else "application/octet-stream"


def _cached(path: str) -> str | None:
    """Return how long a page may be kept; None if there is no such page."""
    if path in (STORE, INDEX, f"log/{tiles.CHECKPOINT}", f"log/{tiles.WITNESSED}"):
        return _FRESH
    if _PACKAGE.fullmatch(path):
        return _FOREVER
    found = _SERVICE.fullmatch(path)
    try:
        if found is not None:
            names.check_label(found[1])
            return _FRESH
        tiles.parse_path(path.removeprefix("log/") if path.startswith("log/") else "")
    except (errors.SealError, BadLogData):
        return None
    return _FOREVER
