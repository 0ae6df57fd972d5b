"""Frames over TLS, received within limits of time and size, sent as fast as the peer reads."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from sealcore import errors, messages

_HEAD = 4
_MOST_WAITING = 4  # frames; above that TCP stops the other end


class Frames(asyncio.Protocol):
    """The frames of one TLS connection.

    A node may be silent for as long as it likes: TCP's keepalive detects whether it is there. But a
    frame that has begun must end in time.

    Args:
        frame_seconds: time from the first byte of a frame to its last.
        write_seconds: time for the other end to take what was sent.
        write_bytes: bytes that were sent and not yet taken, above which `drain` waits.

    Attributes:
        transport: the transport of the connection, once it exists.
    """

    def __init__(self, frame_seconds: float, write_seconds: float, write_bytes: int) -> None:
        self.transport: asyncio.Transport
        self._frame_seconds = frame_seconds
        self._write_seconds = write_seconds
        self._write_bytes = write_bytes
        self._loop = asyncio.get_running_loop()
        self._data = bytearray()
        self._frames: deque[bytes] = deque()
        self._end: Exception | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    async def next(self) -> bytes:
        """Wait for the next frame and return its message.

        Raises:
            BadMessage: the frame's length is not allowed.
            EOFError, OSError: the other end closed, or the connection broke.
            TimeoutError: a frame came too slowly.
        """
        while not self._frames:
            if self._end is not None:
                raise self._end
            self._waiter = self._loop.create_future()
            await self._waiter
        frame = self._frames.popleft()
        if self._paused and len(self._frames) < _MOST_WAITING:
            self._paused = False
            self._cut()
            if not self._paused:
                self.transport.resume_reading()
        return frame

    async def drain(self) -> None:
        """Wait until the other end has received enough of the sent bytes.

        Raises:
            TimeoutError: it did not do so in time.
            EOFError, OSError: the connection is gone.
        """
        if not self._writable.is_set():
            async with asyncio.timeout(self._write_seconds):
                await self._writable.wait()
        if self._end is not None and self.transport.is_closing():
            raise self._end

    def send(self, frames: list[bytes]) -> int:
        """Send frames.

        Args:
            frames: the frames, in order.

        Returns: the number of bytes.
        """
        data = b"".join(frames)
        self.transport.write(data)
        return len(data)

    def close(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    @property
    def origin(self) -> str:
        """The network address of the other end."""
        address = self.transport.get_extra_info("peername")
        return str(address[0]) if address else ""

    @property
    def closing(self) -> bool:
        """Whether the connection has ended or is about to end."""
        return self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport: asyncio calls this after the handshake.

        Args:
            transport: the transport.
        """
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(self._write_bytes)

    def data_received(self, data: bytes) -> None:
        """Take received bytes: asyncio calls this.

        Args:
            data: the bytes.
        """
        if self._end is not None:
            return
        self._data += data
        if not self._paused:
            self._cut()

    def eof_received(self) -> None:
        """End the frames: asyncio calls this when the other end has closed."""
        self._fail(EOFError())

    def connection_lost(self, error: Exception | None) -> None:
        """End the frames: asyncio calls this when the connection is closed.

        Args:
            error: the reason, or None for a normal end.
        """
        self._fail(error or EOFError())
        self._writable.set()

    def pause_writing(self) -> None:
        """Let `drain` wait: asyncio calls this when the other end is slow."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let `drain` go on: asyncio calls this when the other end has caught up."""
        self._writable.set()

    def _cut(self) -> None:
        """Take complete frames from the received bytes, and set the deadline of the rest."""
        data = self._data
        begun = 0
        try:
            while len(data) - begun >= _HEAD and not self._paused:
                end = begun + _HEAD + messages.frame_size(data[begun : begun + _HEAD])
                if end > len(data):
                    break
                self._frames.append(bytes(data[begun + _HEAD : end]))
                begun = end
                if len(self._frames) >= _MOST_WAITING:
                    self._paused = True
                    self.transport.pause_reading()
        except errors.BadMessage as error:
            data.clear()
            self._fail(error)
            return
        del data[:begun]
        self._set_deadline(begun > 0)
        if self._frames:
            self._wake()

    def _set_deadline(self, new_frame: bool) -> None:
        if self._deadline is not None and (new_frame or not self._data):
            self._deadline.cancel()
            self._deadline = None
        if self._data and not self._paused and self._deadline is None:
            late = TimeoutError()
            self._deadline = self._loop.call_later(self._frame_seconds, self._fail, late)

    def _fail(self, error: Exception) -> None:
        """End the frames. `next` first returns the whole frames, then raises this error.

        Nothing more is read: the caller of `next` may be busy for long.
        """
        if self._end is None:
            self._end = error
            self.transport.pause_reading()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
