"""Seals that one server process renews per second, with TLS, database and everything."""

import ssl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import Figure
from bench._link_client import Client
from bench._site import Site, server
from bench.slca_issue import per_second
from triseal import keyfile
from triseal.signer import KeySigner
from triseal.site import home

_NODES = 128
_SERVICES = 2
_WARM = 1.0
_SECONDS = 6.0


def measure() -> Iterator[Figure]:
    """Yield `slsm.renew.*`: RENEW of one service in each message, each node one at a time; SQLite.

    This process makes the load. The baseline is signatures alone with the same key on one
    core, measured just before and after.
    """
    for algorithm in ("rsa2048", "p256"):
        with tempfile.TemporaryDirectory(prefix="triseal-bench-") as folder:
            yield _measure(Path(folder), algorithm)


def _measure(folder: Path, algorithm: str) -> Figure:
    with _make(folder, algorithm) as site:
        signer = KeySigner(keyfile.load(site.home / home.KEY, lambda: b""))
        raw = per_second(lambda: signer.sign(bytes(800)))
        with server(site.home, folder / "log", "--log-level", "warning") as (ports, _):
            renewed = _load(site, ports.nodes)
        raw = max(raw, per_second(lambda: signer.sign(bytes(800))))
    return Figure(f"slsm.renew.{algorithm}", renewed, "1/s", raw)


def _make(folder: Path, algorithm: str) -> Site:
    site = Site(folder, algorithm)
    services = [f"service{number}" for number in range(_SERVICES)]
    for name in services:
        site.add_service(name, b"async def main(ctx):\n    pass\n")
    for number in range(_NODES):
        site.add_node(f"node{number}", services)
    return site


def _load(site: Site, port: int) -> float:
    """Return renewals per second while all nodes ask."""
    clients = []
    for node in site.nodes:
        client = Client(port, site.context(node, ssl.TLSVersion.TLSv1_2), node)
        client.take_seals(_SERVICES)
        clients.append(client)
    services = sorted(clients[0].serials)
    for client in clients:
        client.ask(services[0])
    _rounds(clients, services, _WARM)
    rate = _rounds(clients, services, _SECONDS)
    for client in clients:
        client.close()
    return rate


def _rounds(clients: list[Client], services: list[str], seconds: float) -> float:
    """Let each node ask again as soon as it has read its answer; the last questions stay open."""
    count = 0
    start = time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        for number in range(len(services)):
            for client in clients:
                client.renewed(services[number])
                client.ask(services[(number + 1) % len(services)])
            count += len(clients)
    return count / spent
