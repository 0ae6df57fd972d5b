"""Frames over an asyncio stream: read within a deadline and a bound, written with backpressure."""

from __future__ import annotations

import asyncio

from sealcore import messages

_HEAD = 4


async def read(reader: asyncio.StreamReader, within: float) -> bytes:
    """The next frame's message.

    A node may be silent for as long as it likes: TCP's keepalive finds out whether it is there. But
    once a frame has begun it has to come to its end.

    Args:
        within: seconds from the frame's first octet to its last.

    Raises:
        BadMessage: the length in front is none that a frame may have.
        IncompleteReadError: the other end closed.
        TimeoutError: too slow.
    """
    first = await reader.readexactly(1)
    async with asyncio.timeout(within):
        head = first + await reader.readexactly(_HEAD - 1)
        return await reader.readexactly(messages.frame_size(head))


async def drain(writer: asyncio.StreamWriter, within: float) -> None:
    """Wait until the other end has taken enough of what was sent.

    Raises:
        TimeoutError: it has not within so many seconds.
        ConnectionError: it is gone.
    """
    async with asyncio.timeout(within):
        await writer.drain()
