"""The handshake with a connection that was accepted, with a small buffer for each connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from typing import TypeVar

_Application = TypeVar("_Application", bound=asyncio.Protocol)


class SmallTLS(SSLProtocol):
    """The TLS of asyncio, with a buffer for one TLS record.

    For each connection asyncio keeps a buffer of 256 KiB, into which it receives. A node's frames
    fit into 16 KiB, the longest TLS record, and whatever is longer arrives in pieces. The size is
    the class attribute `max_size`, which has had this name and meaning since Python 3.11. A test
    checks that the buffer of a connection has this size.
    """

    max_size = 16384


async def accept(
    accepted: socket.socket, application: _Application, context: ssl.SSLContext, seconds: float
) -> _Application:
    """Shake hands as the server, and return `application` as soon as it has its transport.

    `connect_accepted_socket(..., ssl=context)` makes an SSLProtocol itself and lets nobody choose
    the class. So the loop gets ours as the protocol of a plain connection.

    Args:
        accepted: the connection; it is closed if this fails.
        application: the protocol above TLS.
        context: the server's side of TLS.
        seconds: the time limit of the handshake.

    Returns: `application`.

    Raises:
        OSError: the handshake failed (`ssl.SSLError`), took too long, or the connection broke.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    # If this is cancelled, nobody asks for an error that comes at the same time.
    done.add_done_callback(lambda future: future.cancelled() or future.exception())
    tls = SmallTLS(
        loop,
        application,
        context,
        done,
        server_side=True,
        ssl_handshake_timeout=seconds,  # type: ignore[arg-type]  # typeshed: int; any number works
    )
    try:
        transport, _ = await loop.connect_accepted_socket(lambda: tls, accepted)
        try:
            await done
        except BaseException:
            transport.abort()
            raise
    except BaseException:
        accepted.close()
        raise
    return application
