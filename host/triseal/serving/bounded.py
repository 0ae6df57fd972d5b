"""HTTP servers whose connections are bounded in number and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from triseal.serving import unix_socket

MOST = 64  # connections at once
BACKLOG = unix_socket.BACKLOG  # asyncio accepts so many at once before it looks at any of them
IDLE_SECONDS = 10.0


class BoundedHTTP(H11Protocol):
    """HTTP on one connection: it ends if no request comes, and it makes room for others.

    `most` is the number of connections at once.

    Uvicorn itself waits for the first request for as long as it takes. Its time limit between two
    requests ends with the first byte of the second one.
    """

    most = MOST
    _since = 0.0
    _seen: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection: asyncio calls this.

        Args:
            transport: the connection.
        """
        if len(self.connections) >= self.most and not self._make_room():
            transport.abort()
        super().connection_made(transport)
        self._since = self.loop.time()
        self._look_again()

    def _make_room(self) -> bool:
        """Close the oldest connection that waits for a request. Tells whether there was one."""
        others = [one for one in self.connections if isinstance(one, BoundedHTTP)]
        idle = [one for one in others if one.idle]
        if idle:
            min(idle, key=lambda one: one._since).leave()
        return bool(idle)

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def leave(self) -> None:
        """Close this connection at once."""
        self.connections.discard(self)
        self.transport.abort()

    def _look_again(self) -> None:
        self._seen = self.cycle
        self.loop.call_later(IDLE_SECONDS, self._look)

    def _look(self) -> None:
        """Close this connection if no request has come since the last look."""
        if self.transport.is_closing():
            return
        if self.idle and self.cycle is self._seen:
            self.leave()
        else:
            self._look_again()


class PagesServer(uvicorn.Server):
    """A uvicorn server for a process that handles its signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers of the process alone."""
        yield


def server(pages: FastAPI, http: type[BoundedHTTP] = BoundedHTTP) -> PagesServer:
    """Make an HTTP server for the pages. The caller gives it a listening socket.

    Args:
        pages: the application.
        http: what speaks HTTP on each connection.
    """
    return PagesServer(
        uvicorn.Config(
            pages,
            http=http,
            backlog=BACKLOG,
            log_config=None,
            access_log=False,
            lifespan="off",
        )
    )
