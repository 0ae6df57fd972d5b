"""Bytes of one renewal on the wire, both ways, with the part that TLS adds."""

import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import Figure
from bench._link_client import Client
from bench._site import Site, server

_NODE = "kitchen"
_SERVICE = "thermostat"
_RENEWALS = 20
_TOGETHER = 30
_BATCHES = 10
_BLOCK = 65536
_SOURCE = b"async def main(ctx):\n    pass\n"


def measure() -> Iterator[Figure]:
    """Yield `wire.renewal.*`: one service renewed alone, over TLS 1.2 as MicroPython speaks it.

    A relay between node and site counts everything that TCP carries. The baseline is the whole
    seal alone, without a frame or a record around it.

    `wire.renewal.batch30`: one of 30 services that a node renews together, with P-256 keys and
    names of usual length. The baseline is one of the same services renewed one after the other.
    """
    for algorithm in ("rsa2048", "p256"):
        with _connected(algorithm, [_SERVICE]) as (client, relay):
            each = _wire_bytes(client, relay, [[_SERVICE]] * _RENEWALS)
            yield Figure(f"wire.renewal.{algorithm}", each, "bytes", float(client.seal_size))
    services = [f"service-{number:02}" for number in range(_TOGETHER)]
    with _connected("p256", services) as (client, relay):
        together = _wire_bytes(client, relay, [services] * _BATCHES)
        alone = _wire_bytes(client, relay, [[service] for service in services] * _BATCHES)
        yield Figure(f"wire.renewal.batch{_TOGETHER}", together, "bytes", alone)


@contextmanager
def _connected(algorithm: str, services: list[str]) -> "Iterator[tuple[Client, Relay]]":
    """Yield a node with seals of these services, at a site with a server, and the relay
    in between."""
    with (
        tempfile.TemporaryDirectory(prefix="triseal-bench-") as folder,
        Site(Path(folder), algorithm) as site,
    ):
        for service in services:
            site.add_service(service, _SOURCE)
        site.add_node(_NODE, services)
        with server(site.home, Path(folder) / "log", "--log-level", "warning") as (ports, _):
            relay = Relay(ports.nodes)
            client = Client(relay.port, site.context(_NODE, ssl.TLSVersion.TLSv1_2), _NODE)
            client.take_seals(len(services))
            yield client, relay
            client.close()
            relay.close()


def _wire_bytes(client: Client, relay: "Relay", messages: list[list[str]]) -> float:
    """Return the bytes of one renewal, if each message asks for these services."""
    before = relay.wire_bytes
    for services in messages:
        client.ask(*services)
        client.all_renewed(len(services))
    return (relay.wire_bytes - before) / sum(map(len, messages))


class Relay:
    """Passes one TCP connection on, and counts.

    Args:
        port: its target, on the loopback address.

    Attributes:
        port: where it listens.
        wire_bytes: bytes passed on so far, both ways; counted before they are sent.
    """

    def __init__(self, port: int) -> None:
        self.wire_bytes = 0
        self._to = port
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        """Wait for the end of the connection."""
        self._accepting.join()
        self._listener.close()

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        with near, socket.create_connection(("127.0.0.1", self._to)) as far:
            back = threading.Thread(target=self._pump, args=(far, near))
            back.start()
            self._pump(near, far)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(_BLOCK):
                with self._lock:
                    self.wire_bytes += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # the server ends a connection without notice
            return
