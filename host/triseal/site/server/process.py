"""The server process of a site: it opens everything, runs until it is told to stop, and closes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from boards import interrupts
from triseal import database
from triseal.choices import KEEP_DAYS, TLS_SECONDS
from triseal.serving import bounded
from triseal.site import clock
from triseal.site.clock import Guard
from triseal.site.manager import Manager
from triseal.site.server import descriptors, follower, http, janitor, steward, timekeeper
from triseal.site.server.duties import Duties
from triseal.site.server.events import Events
from triseal.site.server.health import Health, Parts
from triseal.site.server.limits import Limits
from triseal.site.server.listeners import pages
from triseal.site.server.listeners.certificate import Identity
from triseal.site.server.listeners.serial import Lines
from triseal.site.server.listeners.tls import Server, listen_all, place_of
from triseal.site.server.metrics import Metrics
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.watch import watch

_log = logging.getLogger(__name__)
_PAGES_SECONDS = 1.0  # for the pages to end
# Container managers kill a process ten seconds after SIGTERM. The parts that stop one after the
# other have limits that add up to less than this.
STOP_SECONDS = 9.5


@dataclass(frozen=True)
class Options:
    """The options of a server process.

    Attributes:
        listen: where nodes connect, address and port of each place; port 0 lets the kernel choose.
        pages: the place of the HTTP pages: a port of the loopback address, or the path of a Unix
            socket.
        logs: folder for a Unix socket with all pages; a port has no logs of nodes.
        serial: serial ports with nodes.
        keep_days: how long the ledger keeps expired records, days.
        certificate_seconds: validity of the server's own certificate, seconds.
        limits: the limits of one connection.
    """

    listen: tuple[tuple[str, int], ...] = ((pages.LOOPBACK, 0),)
    pages: int | Path = 0
    logs: Path | None = None
    serial: tuple[str, ...] = ()
    keep_days: int = KEEP_DAYS
    certificate_seconds: int = TLS_SECONDS
    limits: Limits = field(default_factory=Limits)


Ready = Callable[[list[str], int | Path], None]


async def serve(manager: Manager, options: Options, ready: Ready) -> None:
    """Serve nodes until SIGTERM or SIGINT.

    Args:
        manager: the site.
        options: the options.
        ready: called with the places for nodes, as HOST:PORT, and the place of the pages, once
            nodes can connect.

    Raises:
        OSError: a port or the path of a socket is taken.
        TooFewFiles: the system does not let this process open enough files.
        DatabaseUnusable: the database can't be read or written.
        ClockDoubted: the server's clock is in doubt.
        CertificateNotValid: the site's own certificate is not valid now.
        Failure: the site key can't be opened.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        stop.set()
        end_within(STOP_SECONDS)

    descriptors.make_room(options.limits, len(options.serial))
    for number in interrupts.SIGNALS:
        # `nohup` ignores SIGHUP; otherwise the terminal of the server was closed.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, told)
    with ExitStack() as opened:
        listeners = [opened.enter_context(one) for one in listen_all(options.listen)]
        place, of_pages = opened.enter_context(pages.listeners(options.pages, options.logs))

        def serving() -> None:
            places = [place_of(listener) for listener in listeners]
            ready(places, place)
            _log.info("serving", extra={"address": ", ".join(places), "pages": str(place)})

        await _run(manager, options, (listeners, of_pages), serving, stop)


def end_within(seconds: float) -> None:
    """End this process after a time, even if something keeps it from its end.

    That is safe at any moment: what was not recorded was not sent.

    Args:
        seconds: the time.
    """
    timer = threading.Timer(seconds, _give_up)
    timer.daemon = True
    timer.start()
    # The system's own timer ends a process in which no Python runs any more.
    signal.setitimer(signal.ITIMER_REAL, seconds + 1.0)


def leave() -> NoReturn:
    """End this process after all of its work is done.

    The interpreter's own end takes long on a busy computer, and waits for threads that wait for the
    database.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _give_up() -> None:
    _log.error("ended", extra={"code": "too-slow", "detail": "something did not stop in time"})
    logging.shutdown()  # waits a second for the log at most
    os._exit(1)


def _pipeline(manager: Manager, guard: Guard, metrics: Metrics, duties: Duties) -> Pipeline:
    return Pipeline(
        manager.engine,
        manager.authority,
        guard.now,
        guard,
        Events(metrics).recorded,
        manager.mark,
        duties,
        manager.authority_now,
    )


async def _run(
    manager: Manager,
    options: Options,
    listeners: tuple[list[socket.socket], list[socket.socket]],
    ready: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    manager.check_clock()
    guard = Guard()
    with database.reading(manager.engine) as connection:
        guard.go_on_from(clock.signed_by(connection, time.time()))
    duties = Duties()
    pruning = duties.add(janitor.DUTY, *janitor.PAUSES)
    identity, metrics = Identity(options.certificate_seconds), Metrics()
    pipeline = _pipeline(manager, guard, metrics, duties)
    working = asyncio.create_task(pipeline.run())
    await pipeline.answer(identity.issue)
    limits = options.limits.for_lifetime(manager.lifetime)
    server = Server(manager.name, pipeline, identity, limits, metrics, manager.redeem, duties)
    lines = Lines(server.reception)
    registry = server.registry
    parts = Parts(manager.engine, pipeline, guard, identity, registry, limits, duties.failing)
    state = Health(parts, metrics)
    site = bounded.server(http.app(pipeline, server.registry, lines.nodes, state))
    tasks = [
        asyncio.create_task(server.run(*listeners[0])),
        showing := asyncio.create_task(site.serve(listeners[1])),
        asyncio.create_task(timekeeper.keep(pipeline, guard, duties.add(timekeeper.DUTY))),
        asyncio.create_task(follower.keep(manager, duties.add(follower.DUTY))),
        asyncio.create_task(janitor.keep(manager.engine, options.keep_days, guard, pruning)),
        asyncio.create_task(watch(pipeline, identity, server.registry, duties)),
        asyncio.create_task(state.keep(duties.add("health"))),
        asyncio.create_task(steward.keep(manager, duties.add(steward.DUTY))),
        working,
    ]
    if options.serial:
        tasks.insert(0, asyncio.create_task(lines.run(options.serial)))
    ready()
    await _work(tasks, stop, (site, showing))


async def _work(
    tasks: list[asyncio.Task[None]],
    stop: asyncio.Event,
    pages_of: tuple[bounded.PagesServer, asyncio.Task[None]],
) -> None:
    """Wait until the server is told to stop or a task has ended; then end all tasks in order."""
    site, showing = pages_of
    stopping = asyncio.create_task(_wait(stop))
    done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:  # the nodes first; the pipeline that answers them comes last
        if task is showing:
            site.should_exit = True
            await asyncio.wait([task], timeout=_PAGES_SECONDS)
        task.cancel()
        await asyncio.wait([task])
    _log.info("stopped")
    for task in done - {stopping}:
        task.result()


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()
