"""The server process of a Store: it serves until it is told to stop."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import Depends, FastAPI

from triseal import files
from triseal.errors import Failure, StoreMoved
from triseal.log.writer import Folder
from triseal.serving import bounded, door, unix_socket
from triseal.serving.door import Door
from triseal.serving.state import check_host
from triseal.store.journal import FOLDER
from triseal.store.server.admin import PeerHTTP
from triseal.store.server.admin import app as admin_app
from triseal.store.server.app import EVENTS, app
from triseal.store.server.certified import Certified
from triseal.store.server.events import Events
from triseal.store.server.health import Health
from triseal.store.server.health import router as health_pages
from triseal.store.server.metrics import Metrics
from triseal.store.server.watched import Watched
from triseal.store.store import Store

INCOMING = "incoming"
_LOOPBACK = "127.0.0.1"
_CONNECTIONS = 500
_OTHER_FILES = 320 + 2 * door.MOST  # the database, the pages, the log, what is being received
_STOP_SECONDS = 8
_REFRESH_EVERY = 600
_STAY_EVERY = 5  # seconds between two looks whether the files were moved
_MMAP_THRESHOLD = -3  # of mallopt
_LARGE_BLOCK = 1 << 20  # bytes

_Beside = list[tuple[bounded.PagesServer, list[socket.socket]]]

_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, events: Events, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._events = events
        self._ready = ready
        self.moved: StoreMoved | None = None

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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._events.stop()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> Door:
    """Take a port.

    Args:
        host: an address or a name of this computer.
        port: the port; 0 lets the kernel choose.

    Raises:
        OSError: it is taken, or not of this computer.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = Door(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
    except OSError as error:
        made.close()
        error.filename = f"{host}:{port}"
        raise
    return made


@dataclass(frozen=True)
class Options:
    """The options of a server process.

    Attributes:
        tls: files of the certificate and of its key, PEM; None behind a proxy that has its own.
        admin: path of the Unix socket for administration; None for none.
        certified: the port for administration from elsewhere; None for none.
        pages: place of the pages about the process: a port of the loopback address, or the path of
            a Unix socket; None for none.
    """

    tls: tuple[Path, Path] | None = None
    admin: Path | None = None
    certified: Certified | None = None
    pages: int | Path | None = None


def _give_back() -> None:
    """Let the C library return the memory of large packages at once.

    Otherwise it keeps blocks of their size for the next ones, and each thread has its own.
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)


def serve(
    store: Store,
    home: Path,
    listener: Door,
    options: Options,
    ready: Callable[[int | Path | None], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        store: the Store.
        home: its folder.
        listener: where clients connect.
        options: the options.
        ready: called with the place of the pages once clients can connect.

    Raises:
        StoreMoved: the files were moved; another process would serve the new ones.
    """
    _give_back()
    store.publish()
    incoming = _emptied(home / INCOMING)
    metrics, events = Metrics(), Events(Folder(store.files.below(FOLDER)))
    public = app(store, incoming, metrics, events)
    made = Watched(public, metrics, (EVENTS,))
    with listener, ExitStack() as opened:
        if options.certified is not None:
            opened.enter_context(options.certified.listener)
        place, beside = _beside(opened, options, store, Health(store, metrics))
        main = _Server(_config(made, options.tls, listener), events, lambda: ready(place))
        asyncio.run(_serve(main, store, listener, beside))


def _emptied(folder: Path) -> Path:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)  # what was being received when the last process was killed
    files.make_folder(folder, files.PRIVATE)
    return folder


def _beside(
    opened: ExitStack, options: Options, store: Store, health: Health
) -> tuple[int | Path | None, _Beside]:
    """Make the servers beside the public one; return the place of the pages, and the servers."""
    beside: _Beside = []
    own = admin_app(store)
    own.include_router(health_pages(health))
    if options.admin is not None:
        place = opened.enter_context(unix_socket.listen(options.admin))
        beside.append((bounded.server(own, PeerHTTP), [place]))
    if options.certified is not None:
        beside.append((options.certified.server(own), [options.certified.listener]))
    where = options.pages
    if where is None:
        return None, beside
    if isinstance(where, Path):
        sockets = [opened.enter_context(unix_socket.listen(where))]
    else:
        sockets = [opened.enter_context(listen(_LOOPBACK, where))]
        where = int(sockets[0].getsockname()[1])
    pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    pages.include_router(health_pages(health), dependencies=[Depends(check_host)])
    beside.append((bounded.server(pages), sockets))
    return where, beside


def _most() -> int:
    """Return how many connections fit: each one has a file descriptor, and may send a file."""
    files = door.raise_limit(2 * _CONNECTIONS + _OTHER_FILES)
    return max(bounded.MOST, (files - _OTHER_FILES) // 2)


def _config(made: Watched, tls: tuple[Path, Path] | None, listener: Door) -> uvicorn.Config:
    return uvicorn.Config(
        made,
        http=type("HTTP", (bounded.DoorHTTP,), {"door": listener, "most": _most()}),
        backlog=door.BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
        ssl_certfile=str(tls[0]) if tls else None,
        ssl_keyfile=str(tls[1]) if tls else None,
        ws="none",
    )


async def _serve(
    main: _Server,
    store: Store,
    listener: socket.socket,
    beside: _Beside,
) -> None:
    """Serve until the main server ends."""
    others = [asyncio.create_task(one.serve(sockets)) for one, sockets in beside]
    refreshing = asyncio.create_task(_refresh(store))
    staying = asyncio.create_task(_stay(store, main))
    _log.info("serving", extra={"address": _place(listener)})
    try:
        await main.serve([listener])
    finally:
        refreshing.cancel()
        staying.cancel()
        for one, _ in beside:
            one.should_exit = True
        if others:
            await asyncio.wait(others, timeout=_STOP_SECONDS)
        _log.info("stopped")
    if main.moved is not None:
        raise main.moved


def _place(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _stay(store: Store, main: _Server) -> None:
    """End the server once the files were moved: it would serve what is no longer true."""
    while True:
        try:
            await asyncio.to_thread(store.check_place)
        except StoreMoved as error:
            main.moved = error
            main.should_exit = True
            return
        except (Failure, OSError):  # `health` says so
            pass
        await asyncio.sleep(_STAY_EVERY)


async def _refresh(store: Store) -> None:
    """Say the time in the log's checkpoint at intervals: sites refuse one that is old."""
    while True:
        try:
            await asyncio.to_thread(store.refresh)
        except (Failure, OSError) as error:
            code = getattr(error, "code", "store-failed")
            _log.warning(
                "the checkpoint keeps its time", extra={"code": code, "detail": str(error)}
            )
        await asyncio.sleep(_REFRESH_EVERY)
