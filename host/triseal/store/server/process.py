"""The server process of a Store: it serves until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import uvicorn

from triseal import files
from triseal.errors import Failure
from triseal.serving import bounded, unix_socket
from triseal.store.journal import PUBLIC
from triseal.store.server.admin import PeerHTTP
from triseal.store.server.admin import app as admin_app
from triseal.store.server.app import app
from triseal.store.store import Store

INCOMING = "incoming"
_CONNECTIONS = 500
_STOP_SECONDS = 8
_REFRESH_EVERY = 600

_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the server, and nothing else of the process."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, self.handle_exit) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def listen(host: str, port: int) -> socket.socket:
    """Take a port.

    Args:
        host: an address or a name of this computer.
        port: the port; 0 lets the kernel choose.

    Raises:
        OSError: it is taken, or not of this computer.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
    except OSError as error:
        made.close()
        error.filename = f"{host}:{port}"
        raise
    return made


def serve(
    store: Store,
    home: Path,
    listener: socket.socket,
    tls: tuple[Path, Path] | None,
    ready: Callable[[], None],
    admin: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        store: the Store.
        home: its folder.
        listener: where clients connect.
        tls: files of the certificate and of its key, PEM; None behind a proxy that has its own.
        ready: called once clients can connect.
        admin: path of the Unix socket for whoever runs the Store; None for none.
    """
    store.publish()
    incoming = home / INCOMING
    with suppress(FileNotFoundError):
        shutil.rmtree(incoming)  # what was being received when the last process was killed
    files.make_folder(incoming, files.PRIVATE)
    config = uvicorn.Config(
        app(store, home / PUBLIC, incoming),
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        ssl_certfile=str(tls[0]) if tls else None,
        ssl_keyfile=str(tls[1]) if tls else None,
        ws="none",
    )
    with listener, ExitStack() as opened:
        private = [opened.enter_context(unix_socket.listen(admin))] if admin else []
        asyncio.run(_serve(_Server(config, ready), store, listener, private))


async def _serve(
    main: _Server, store: Store, listener: socket.socket, private: list[socket.socket]
) -> None:
    """Serve until the main server ends."""
    admin = bounded.server(admin_app(store), PeerHTTP)
    beside = asyncio.create_task(admin.serve(private)) if private else None
    refreshing = asyncio.create_task(_refresh(store))
    try:
        await main.serve([listener])
    finally:
        refreshing.cancel()
        admin.should_exit = True
        if beside is not None:
            await asyncio.wait([beside], timeout=_STOP_SECONDS)


async def _refresh(store: Store) -> None:
    """Say the time in the log's checkpoint at intervals: sites refuse one that is old."""
    while True:
        try:
            await asyncio.to_thread(store.refresh)
        except (Failure, OSError) as error:
            _log.warning("the checkpoint keeps its time: %s", error)
        await asyncio.sleep(_REFRESH_EVERY)
