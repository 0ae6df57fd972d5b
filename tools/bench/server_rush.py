"""A rush on one server process: all nodes of a site come at once, return, and see a grant."""

from __future__ import annotations

import itertools
import os
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from bench import Figure
from bench._link_client import Client
from bench._site import Site, run, server
from bench.server_memory import echo, echoed
from triseal import database
from triseal.signer import KeySigner, generate
from triseal.site.records import tables

NODES = 300
RUSH = 200  # nodes that come at once
SERVICES = 30
_RETURNS = 100
_SEVERAL = 4  # nodes that renew at a time
_PAUSE = 0.02  # seconds between two renewals
_GRANTS = 5
_BEFORE = 4.0  # seconds of renewals, twice before a grant and once after the last one
_AFTER = 2.0  # seconds from the end of the command in which a renewal counts
_GRANT = "bus.publish:home/room{}/#"
_PATIENCE = 120.0  # seconds for the whole rush
_TICK = os.sysconf("SC_CLK_TCK")
_TLS = ssl.TLSVersion.TLSv1_2
_LOST = (OSError, EOFError)


def measure() -> Iterator[Figure]:
    """Yield the figures of a site with 300 nodes of 30 services each, P-256, SQLite.

    `server.rush`: 200 nodes that hold nothing connect at once to a server that has just started.
    The value is the number of seals that it signed for each place. With it come
    `server.rush.cut_off`, the number of connections that ended before their node had all of its
    seals, and the time and the processor time of the server.

    `server.return`: processor time of the server for a node that connects and gets 30 new seals.
    The baseline is one connection of a plain echo server of asyncio with mutual TLS, and 30
    signatures with the same key.

    `server.grant.stall`: always four nodes renew a service, and one grant is given to another node,
    five times. The value is the longest renewal of some seconds from then on, the baseline the
    median of all. Each is the median of the five: the disk alone, which other programs use too,
    holds up all renewals now and then. `server.grant.stall.without` says how much of the value that
    is: it is the same at five times without a grant.

    Raises:
        RuntimeError: the nodes did not get their seals in time.
    """
    with (
        tempfile.TemporaryDirectory(prefix="triseal-bench-") as folder,
        Site(Path(folder), "p256") as site,
    ):
        services = [f"service{number:02}" for number in range(SERVICES)]
        for name in services:
            site.add_service(name, b"async def main(ctx):\n    pass\n")
        site.add_nodes([f"node{number:03}" for number in range(NODES)], services)
        contexts = {node: site.context(node, _TLS) for node in site.nodes}
        with server(site.home, Path(folder) / "log", "--log-level", "warning") as (ports, pid):
            rush = Rush(ports.nodes, contexts)
            yield from rush_figures(site, rush, list(site.nodes)[:RUSH], pid)
            rush.run(list(site.nodes)[RUSH:])
            yield Figure("server.return", _returning(rush, pid), "ms", _bare(site))
            yield from stall(site, rush)
            rush.close()


@dataclass
class Rush:
    """Nodes that connect at the same time, each in a thread, and try again when they are cut off.

    Attributes:
        port: of the server.
        contexts: the side of TLS of each node.
        clients: the connections of the nodes that have all of their seals.
        cut_off: number of connections that ended before.
    """

    port: int
    contexts: dict[str, ssl.SSLContext]
    clients: dict[str, Client] = field(default_factory=dict)
    cut_off: int = 0

    def run(self, nodes: list[str]) -> None:
        """Let nodes connect at once, and wait until each has its seals.

        Args:
            nodes: names of the nodes.
        """
        begin = threading.Barrier(len(nodes))
        threads = [threading.Thread(target=self._come, args=(node, begin)) for node in nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if missing := nodes - self.clients.keys():
            raise RuntimeError(f"{len(missing)} nodes did not get their seals")

    def connect(self, node: str) -> Client:
        """Connect a node that holds nothing, and let it take its seals.

        Args:
            node: name of the node.
        """
        client = Client(self.port, self.contexts[node], node)
        client.take_seals(SERVICES)
        return client

    def close(self) -> None:
        """Close all connections."""
        for client in self.clients.values():
            client.close()

    def _come(self, node: str, begin: threading.Barrier) -> None:
        begin.wait()
        end = time.monotonic() + _PATIENCE
        while node not in self.clients and time.monotonic() < end:
            try:
                self.clients[node] = self.connect(node)
            except _LOST:
                self.cut_off += 1


def rush_figures(site: Site, rush: Rush, nodes: list[str], pid: int) -> Iterator[Figure]:
    """Yield the figures of one rush.

    Args:
        site: the site.
        rush: the nodes.
        nodes: names of those that come.
        pid: process id of the server.
    """
    cpu, start = _cpu(pid), time.perf_counter()
    rush.run(nodes)
    spent = time.perf_counter() - start
    cpu = _cpu(pid) - cpu
    with database.reading(site.manager.engine) as connection:
        signed = connection.execute(select(func.count()).select_from(tables.seals)).scalar_one()
    yield Figure("server.rush", signed / (len(nodes) * SERVICES), "seals", 1.0)
    yield Figure("server.rush.cut_off", rush.cut_off, "nodes")
    yield Figure("server.rush.time", spent, "s")
    yield Figure("server.rush.cpu", cpu, "s")


def stall(site: Site, rush: Rush) -> Iterator[Figure]:
    """Yield `server.grant.stall` and `server.grant.stall.without`.

    Args:
        site: the site.
        rush: the nodes, all of them connected.
    """
    names = list(rush.clients)
    times: list[tuple[float, float]] = []  # begin and duration of each renewal
    done = threading.Event()
    threads = [
        threading.Thread(target=_renew, args=(rush, names[at:-1:_SEVERAL], done, times))
        for at in range(_SEVERAL)
    ]
    for thread in threads:
        thread.start()
    moments = []
    for number in range(_GRANTS):
        time.sleep(_BEFORE)
        without = time.perf_counter()
        time.sleep(_BEFORE)
        given = time.perf_counter()
        wanted = ("service00", _GRANT.format(number))
        run("grant", *wanted, "--node", names[-1], "--home", str(site.home), "--wait", "0")
        moments.append((without, given, time.perf_counter() - given))
    time.sleep(_BEFORE)
    done.set()
    for thread in threads:
        thread.join()

    def between(begin: float, end: float) -> list[float]:
        return [spent for at, spent in times if begin < at + spent <= end]

    usual = _middle(between(without - _BEFORE, given) for without, given, _ in moments)
    with_grant = statistics.median(
        max(between(given, given + took + _AFTER)) for _, given, took in moments
    )
    alone = statistics.median(
        max(between(given - took - _AFTER, given)) for _, given, took in moments
    )
    yield Figure("server.grant.stall", with_grant * 1000, "ms", usual * 1000)
    yield Figure("server.grant.stall.without", alone * 1000, "ms", usual * 1000)


def _middle(rounds: Iterable[list[float]]) -> float:
    return statistics.median(statistics.median(one) for one in rounds)


def _renew(
    rush: Rush, names: list[str], done: threading.Event, times: list[tuple[float, float]]
) -> None:
    # One node after the other: the server lets each wait that asks more than its share.
    for number, name in enumerate(itertools.cycle(names)):
        client = rush.clients[name]
        services = sorted(client.serials)
        service = services[number // len(names) % len(services)]
        begin = time.perf_counter()
        client.ask(service)
        client.renewed(service)
        times.append((begin, time.perf_counter() - begin))
        if done.wait(_PAUSE):
            return


def _returning(rush: Rush, pid: int) -> float:
    """Return the milliseconds of processor time of a node that returns; they come one by one."""
    before = _cpu(pid)
    for node in list(rush.clients)[:_RETURNS]:
        rush.clients[node].close()
        rush.clients[node] = rush.connect(node)
    return (_cpu(pid) - before) / _RETURNS * 1000


def _bare(site: Site) -> float:
    """Return the milliseconds of processor time of one connection and 30 signatures."""
    with echo(site) as (port, pid):
        before = _cpu(pid)
        for node in list(site.nodes)[:_RETURNS]:
            echoed(site, port, node).close()
        shaken = (_cpu(pid) - before) / _RETURNS * 1000
    signer = KeySigner(generate("p256"))
    start = time.thread_time()
    for _ in range(_RETURNS * SERVICES):
        signer.sign(bytes(800))
    return shaken + (time.thread_time() - start) / _RETURNS * 1000


def _cpu(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK
