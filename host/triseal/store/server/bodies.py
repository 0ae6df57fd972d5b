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

from sealcore import errors
from triseal.errors import Failure

SECONDS = 120  # for a whole body: a mobile network brings 16 MiB in that time
SMALL_SECONDS = 15  # for some kilobytes of anybody


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
