"""HTTP servers whose connections are bounded in number and in time."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from triseal.serving import unix_socket
from triseal.serving.door import Door, crowding, origin

MOST = 64  # connections at once
BACKLOG = unix_socket.BACKLOG  # asyncio accepts so many at once before it looks at any of them
IDLE_SECONDS = 10.0  # between two looks at a connection
STALLED_LOOKS = 6  # one after the other, in which a client takes nothing of what waits for it
SLOW_LOOKS = 60  # for one request and its answer: 16 MiB with 28 KB/s
_MAKES_ROOM = 2  # looks at which a client was behind, before a new one takes its place
_WRITE_BUFFER = 1 << 16  # bytes: asyncio's limit for TLS is 512 KiB, of each connection

# Uvicorn warns of each request that it does not understand: strangers could fill the log.
_log = logging.getLogger("uvicorn.error.connections")
_log.setLevel(logging.ERROR)


class BoundedHTTP(H11Protocol):
    """HTTP on one connection: it ends if no request comes, and it makes room for others.

    It ends as well if the client takes nothing of its answer, or needs too long for it or for its
    own request. `most` is the number of connections at once. Where all are in use, a new one takes
    the place of one that waits for a request; or else of a client that sends the next request
    before it has its answer, of the one that is behind for longest, or of an origin which has more.

    Uvicorn itself waits for the first request for as long as it takes. Its time limit between two
    requests ends with the first byte of the second one. It knows no limit for the rest.
    """

    most = MOST
    _since = 0.0
    _origin = ""
    _seen: object = None
    _resumed = 0  # how often the client had taken so much that the answer went on
    _taken = (0, 0)
    _stalled = 0  # looks, one after the other, in which nothing was taken
    _behind = 0  # looks at which something waited for the client
    _slow = 0  # the same, with one request

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection: asyncio calls this.

        Args:
            transport: the connection.
        """
        self.logger = _log
        place = transport.get_extra_info("peername")
        self._origin = origin(str(place[0])) if place else ""
        if len(self.connections) >= self.most and not self._make_room():
            transport.abort()
        super().connection_made(transport)
        transport.set_write_buffer_limits(_WRITE_BUFFER)
        self._since = self.loop.time()
        self._look_again()

    def _make_room(self) -> bool:
        """Close the connection that is needed least. Tells whether there was one."""
        others = [one for one in self.connections if isinstance(one, BoundedHTTP)]
        others.sort(key=lambda one: one._since)
        idle = [one for one in others if one.idle]
        pipelining = [one for one in others if one.conn.trailing_data[0]]
        behind = [one for one in others if one._behind >= _MAKES_ROOM]
        if idle or pipelining:
            (idle or pipelining)[0].leave()
        elif behind:
            max(behind, key=lambda one: (one._stalled, one._behind)).leave()
        else:
            origins = {one: one._origin for one in others}
            oldest = crowding(origins)
            taken = Counter(origins.values())
            if taken[oldest._origin] <= taken[self._origin] + 1:
                return False
            oldest.leave()
        return True

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def leave(self) -> None:
        """Close this connection at once."""
        self.connections.discard(self)
        self.transport.abort()

    def resume_writing(self) -> None:
        """Go on with the answer: asyncio calls this when the client has taken most of it."""
        self._resumed += 1
        super().resume_writing()

    def _look_again(self) -> None:
        self._seen = self.cycle
        self.loop.call_later(IDLE_SECONDS, self._look)

    def _look(self) -> None:
        """Close this connection if nothing has come or gone for too long."""
        if self not in self.connections:  # while it is being closed, what waits must still go
            return
        waits = self.transport.get_write_buffer_size()
        behind = waits > 0 or (not self.idle and self.cycle.more_body)
        before, self._taken = self._taken, (self._resumed, waits)
        still, same = before == self._taken, self.cycle is self._seen
        self._stalled = self._stalled + 1 if waits and still else 0
        self._behind = self._behind + 1 if behind else 0
        self._slow = self._slow + 1 if behind and same else 0
        quiet = self.idle and same and still
        if quiet or self._stalled >= STALLED_LOOKS or self._slow >= SLOW_LOOKS:
            self.leave()
        else:
            self._look_again()


class DoorHTTP(BoundedHTTP):
    """HTTP on the connections of a door; `door` is that door."""

    door: Door

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection: asyncio calls this.

        Args:
            transport: the connection.
        """
        self.door.begun(transport.get_extra_info("socket").fileno())
        super().connection_made(transport)


class PagesServer(uvicorn.Server):
    """A uvicorn server for a process that handles its signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers of the process alone."""
        yield


def server(
    pages: FastAPI,
    http: type[BoundedHTTP] = BoundedHTTP,
    context: ssl.SSLContext | None = None,
) -> PagesServer:
    """Make an HTTP server for the pages. The caller gives it a listening socket.

    Args:
        pages: the application.
        http: what speaks HTTP on each connection.
        context: for TLS; None for none.
    """
    return PagesServer(
        uvicorn.Config(
            pages,
            http=http,
            backlog=BACKLOG,
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,  # no client may say who it is
            ssl_context_factory=None if context is None else lambda *_: context,
            ws="none",  # a connection that speaks WebSocket would not be counted
        )
    )
