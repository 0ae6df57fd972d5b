"""The listeners of the pages: bounded connections, a loopback port, and a socket for the owner.

Everybody on this computer can connect to a loopback port. So the port shows only figures, and the
Unix socket, which only the owner of the server process can open, shows the logs of nodes too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from fastapi import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from triseal.site.server.listeners import tls, unix_socket

LOOPBACK = "127.0.0.1"
MOST = 64  # connections at once
BACKLOG = unix_socket.BACKLOG  # asyncio accepts so many at once before it looks at any of them
IDLE_SECONDS = 10.0
_log = logging.getLogger(__name__)


class BoundedHTTP(H11Protocol):
    """HTTP on one connection: it ends if no request comes, and it makes room for others.

    Uvicorn itself waits for the first request for as long as it takes. Its time limit between two
    requests ends with the first byte of the second one.
    """

    _since = 0.0
    _seen: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection: asyncio calls this.

        Args:
            transport: the connection.
        """
        if len(self.connections) >= MOST and not self._make_room():
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


def is_private(request: Request) -> bool:
    """Tell whether a request came through the Unix socket.

    Args:
        request: the request.
    """
    server = cast("tuple[str, int | None] | None", request.scope.get("server"))
    return server is None or server[1] is None


@contextlib.contextmanager
def listeners(
    where: int | Path, logs: Path | None
) -> Iterator[tuple[int | Path, list[socket.socket]]]:
    """Make the listening sockets of the pages.

    Args:
        where: a port of the loopback address, 0 for any; or the path of a Unix socket.
        logs: folder for a Unix socket beside a port; None for no such socket.

    Returns: where the pages are now, and the sockets.

    Raises:
        OSError: the port or the path is taken.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(where, Path):
            yield where, [stack.enter_context(unix_socket.listen(where))]
            return
        sockets = [stack.enter_context(tls.listen(LOOPBACK, where))]
        port = int(sockets[0].getsockname()[1])
        if logs is not None:
            try:
                sockets.append(
                    stack.enter_context(unix_socket.listen(logs / unix_socket.beside(port)))
                )
            except OSError as error:
                detail = f"{logs / unix_socket.beside(port)}: {error.strerror}"
                _log.warning("no socket for logs", extra={"code": "no-socket", "detail": detail})
        yield port, sockets
