"""The listeners of the pages: a loopback port, and a socket for the owner.

Everybody on this computer can connect to a loopback port. So the port shows only figures, and the
Unix socket, which only the owner of the server process can open, shows the logs of nodes too.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from fastapi import Request

from triseal.serving import unix_socket
from triseal.site.server.listeners import tls

LOOPBACK = "127.0.0.1"
_log = logging.getLogger(__name__)


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
