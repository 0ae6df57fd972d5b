"""Frames over TLS: cut out of what arrives, within a deadline and a bound, and sent as the other
end takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from sealcore import errors, messages

_HEAD = 4
_MOST_WAITING = 4  # frames; with more, TCP holds the other end up


class Frames(asyncio.Protocol):
    """The frames of one connection.

    A node may be silent for as long as it likes: TCP's keepalive finds out whether it is there. But
    once a frame has begun it has to come to its end.

    Args:
        frame_seconds: from a frame's first octet to its last.
        write_seconds: for the other end to take what was sent.
        write_octets: sent but not taken, beyond which `drain` waits.

    Attributes:
        transport: of the connection, once it is there.
    """

    def __init__(self, frame_seconds: float, write_seconds: float, write_octets: int) -> None:
        self.transport: asyncio.Transport
        self._frame_seconds = frame_seconds
        self._write_seconds = write_seconds
        self._write_octets = write_octets
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
        """The next frame's message.

        Raises:
            BadMessage: the length in front is none that a frame may have.
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
        """Wait until the other end has taken enough of what was sent.

        Raises: TimeoutError: it has not in time. EOFError, OSError: it is gone.
        """
        if not self._writable.is_set():
            async with asyncio.timeout(self._write_seconds):
                await self._writable.wait()
        if self._end is not None and self.transport.is_closing():
            raise self._end

    def send(self, frames: list[bytes]) -> int:
        """Send; how many octets that is."""
        octets = b"".join(frames)
        self.transport.write(octets)
        return len(octets)

    def close(self) -> None:
        """End it at once."""
        self.transport.abort()

    @property
    def origin(self) -> str:
        """The address that the other end has."""
        found = self.transport.get_extra_info("peername")
        return str(found[0]) if found else ""

    @property
    def closing(self) -> bool:
        """Whether it has ended, or is about to."""
        return self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: the handshake is done."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(self._write_octets)

    def data_received(self, data: bytes) -> None:
        """asyncio's: octets have arrived."""
        if self._end is not None:
            return
        self._data += data
        if not self._paused:
            self._cut()

    def eof_received(self) -> None:
        """asyncio's: nothing more will."""
        self._fail(EOFError())

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio's: it is over."""
        self._fail(error or EOFError())
        self._writable.set()

    def pause_writing(self) -> None:
        """asyncio's: the other end is slow."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """asyncio's: it has caught up."""
        self._writable.set()

    def _cut(self) -> None:
        """Take whole frames off what has arrived; the rest has until the deadline to be whole."""
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
        """What has come whole is still answered; then `next` raises this. Nothing more is read:
        whoever is to call `next` may be busy for long."""
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
