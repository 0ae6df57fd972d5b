"""`GET /v1/events`: each new entry of the log, as server-sent events, so that nobody must poll.

    id: 41
    data: {"index": 41, "entry": {"kind": "release", "time": ..., "service": "thermo", ...}}

The id is the position of the entry in the log: a listener that was cut off goes on with the header
`Last-Event-ID`, or with `?since=N` for the first position that it lacks. Only entries that a signed
checkpoint contains are sent. They are read from the log's folder piece by piece, as fast as the
listener takes them, so that a slow one costs no memory; one that takes nothing at all is left.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

from fastapi import Response
from starlette.types import Receive, Scope, Send

from triseal import words
from triseal.errors import Failure
from triseal.log import checkpoint, tiles
from triseal.log.entry import parse
from triseal.log.errors import BadLogData
from triseal.log.writer import Folder
from triseal.serving.door import crowding, origin
from triseal.store.server import problems

MOST_LISTENERS = 200
_LOOK_SECONDS = 1.0  # between two looks for what other processes have published
_ALIVE_SECONDS = 15.0
_TAKE_SECONDS = 30.0  # for a listener to take what it was sent
_RETRY = b"retry: 5000\n\n"
_ALIVE = b": alive\n\n"

Place = asyncio.Future[None]


class TooManyListeners(Failure):
    """The Store's server has no room for another listener."""

    code = "too-many-listeners"
    advice = "Try again later, or read /log/checkpoint from time to time."


class NoSuchEntry(Failure):
    """The log is shorter than the listener says that it has seen."""

    code = "no-such-entry"
    advice = "Compare the checkpoints: a log never becomes shorter (`triseal store audit`)."


class Events:
    """The listeners of one server process.

    Args:
        folder: the log's folder.
    """

    def __init__(self, folder: Folder) -> None:
        self._listening: dict[Place, str] = {}  # their origins, the oldest first
        self._folder = folder
        self._size = 0
        self._news = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def listeners(self) -> int:
        """Number of listeners."""
        return len(self._listening)

    def enter(self, address: str) -> Place:
        """Take a place for a listener; where all are taken, that of an origin which has more.

        Args:
            address: where the listener is.

        Returns: the place, which is done when the listener must leave it.

        Raises:
            TooManyListeners: there is no room.
        """
        own = origin(address)
        if len(self._listening) >= MOST_LISTENERS:
            taken = Counter(self._listening.values())
            oldest = crowding(self._listening)
            if taken[self._listening[oldest]] <= taken[own] + 1:
                raise TooManyListeners(f"there are {self.listeners}")
            del self._listening[oldest]
            oldest.set_result(None)
        place: Place = asyncio.get_running_loop().create_future()
        self._listening[place] = own
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return place

    def leave(self, place: Place) -> None:
        """Give a place back.

        Args:
            place: as `enter` has returned it.
        """
        self._listening.pop(place, None)
        if not self._listening and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def stop(self) -> None:
        """End all streams; their clients come back to the next process."""
        self._stopped = True
        self._news.set()

    async def open(self, first: int | None, address: str) -> Response:
        """Return the stream for one listener, which is refused there if there is no room.

        Args:
            first: position of the first entry that it wants; None for new ones only.
            address: where the listener is.

        Raises:
            NoSuchEntry: the log is shorter than that.
        """
        size = await asyncio.to_thread(self._head)
        self._size = max(self._size, size)
        if first is not None and first > size:
            raise NoSuchEntry(
                f"entry {first - 1}, the log has {words.count(size, 'entry', 'entries')}"
            )
        return _Stream(self, size if first is None else first, address)

    async def pieces(self, first: int) -> AsyncIterator[bytes]:
        """Send entries as they come, until `stop`.

        Args:
            first: position of the first one.
        """
        yield _RETRY
        while not self._stopped:
            news = self._news
            if first < self._size:
                data, first = await asyncio.to_thread(self._read, first, self._size)
                yield data
                continue
            try:
                await asyncio.wait_for(news.wait(), _ALIVE_SECONDS)
            except TimeoutError:
                yield _ALIVE

    async def _look(self) -> None:
        while not self._stopped:
            try:
                size = await asyncio.to_thread(self._head)
            except (Failure, OSError):  # `health` says so
                size = 0
            if size > self._size:
                self._size = size
                self._news.set()
                self._news = asyncio.Event()
            await asyncio.sleep(_LOOK_SECONDS)

    def _head(self) -> int:
        data = self._folder.head()
        return checkpoint.parse(data).size if data else 0

    def _read(self, first: int, size: int) -> tuple[bytes, int]:
        """Return the entries of one bundle from a position on, and the position behind them."""
        index, at = divmod(first, tiles.WIDTH)
        leaves = self._folder.entries(index, size)[at:]
        sent = b"".join(_event(first + more, leaf) for more, leaf in enumerate(leaves))
        return sent, first + len(leaves)


def _event(index: int, leaf: bytes) -> bytes:
    data = json.dumps({"index": index, "entry": facts(leaf)})
    return f"id: {index}\ndata: {data}\n\n".encode()


def facts(leaf: bytes) -> dict[str, object] | None:
    """Return the facts of an entry; None if it is of a later version.

    Args:
        leaf: the entry, DER.
    """
    try:
        said = parse(leaf)
    except BadLogData:
        return None
    return {
        "kind": said.kind,
        "time": said.time,
        "service": said.service,
        "version": said.version,
        "developer_seal": said.developer_seal.hex(),
        "store_seal": said.store_seal.hex(),
        "package": said.package.hex(),
        "detail": json.loads(said.detail) if said.detail else {},
    }


class _Stream(Response):
    """An answer that goes on until its listener leaves, or takes nothing any more."""

    media_type = "text/event-stream"

    def __init__(self, events: Events, first: int, address: str) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._first = first
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            place = self._events.enter(self._address)
        except TooManyListeners as error:
            scope[problems.CODE] = error.code
            await problems.of(error)(scope, receive, send)
            return
        try:
            await self._listen(place, receive, send)
        finally:
            self._events.leave(place)

    async def _listen(self, place: Place, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait([sending, leaving, place], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        stream = self._events.pieces(self._first)
        try:
            async for piece in stream:
                async with asyncio.timeout(_TAKE_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await stream.aclose()  # type: ignore[attr-defined]  # at once, not when it is collected


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
