"""Bodies of requests: streamed to a file, bounded in size and time, held to their digest."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sealcore import errors
from triseal.errors import Failure
from triseal.store.server import problems

SECONDS = 120  # for a whole body: a mobile network brings 16 MiB in that time
SMALL_SECONDS = 15  # for some kilobytes
MAX_SMALL = 1 << 14  # bytes; all that JSON of an administrator needs


class TooSlow(Failure):
    """The body of a request to the Store did not come in time."""

    code = "too-slow"
    advice = "Repeat the command, with a better connection."


class OtherBody(Failure):
    """The body of a request to the Store is not the one that was signed."""

    code = "other-body"
    advice = "Repeat the command; if it happens again, something on the way changes the file."


@asynccontextmanager
async def received(
    request: Request, folder: Path, limit: int, digest: bytes | None, seconds: float = SECONDS
) -> AsyncIterator[IO[bytes]]:
    """Receive a body into a file that has no name, and goes with the block.

    Args:
        request: the request.
        folder: where the file is.
        limit: largest size, bytes.
        digest: SHA-256 that the body must have; None for any.
        seconds: time for all of it.

    Raises:
        TooLarge: it is larger.
        TooSlow: it did not come in time, or the connection ended before.
        OtherBody: it has another digest.
    """
    found = hashlib.sha256()
    size = 0
    with tempfile.TemporaryFile(dir=folder) as kept:
        try:
            async with asyncio.timeout(seconds):
                async for piece in request.stream():
                    size += len(piece)
                    if size > limit:
                        raise errors.TooLarge(f"the body has more than {limit} bytes")
                    found.update(piece)
                    kept.write(piece)
        except TimeoutError:
            raise TooSlow(f"{size} bytes in {seconds:.0f} s") from None
        except ClientDisconnect:
            raise TooSlow(f"the connection ended after {size} bytes") from None
        if digest is not None and found.digest() != digest:
            raise OtherBody(f"{size} bytes")
        kept.seek(0)
        yield kept


class SmallBodies:
    """Lets an application have requests only once their bodies are complete, and if they are small.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request: the server calls this.

        Args:
            scope: what is asked.
            receive: gives the parts of the body.
            send: takes the parts of the answer.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            whole = await _whole(receive)
        except (TooSlow, errors.TooLarge) as error:
            await problems.of(error)(scope, receive, send)
            return
        waiting: list[Message] = [{"type": "http.request", "body": whole, "more_body": False}]

        async def received() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, received, send)


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    try:
        async with asyncio.timeout(SMALL_SECONDS):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise TooSlow(f"the connection ended after {len(body)} bytes")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MAX_SMALL:
                    raise errors.TooLarge(f"the body has more than {MAX_SMALL} bytes")
    except TimeoutError:
        raise TooSlow(f"{len(body)} bytes in {SMALL_SECONDS} s") from None
    return bytes(body)
