"""How many octets one renewal puts on the wire, both ways, with what TLS adds."""

import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from bench import Figure
from bench._link_client import Client
from bench._site import Site, server

_NODE = "kitchen"
_SERVICE = "thermostat"
_RENEWALS = 20
_BLOCK = 65536


def measure() -> Iterator[Figure]:
    """`wire.renewal.*`: one service renewed by itself, over TLS 1.2 as MicroPython speaks it.

    Counted by a relay between node and site: everything that TCP carries. The baseline is the whole
    seal by itself, without a frame or a record around it.
    """
    for algorithm in ("rsa2048", "p256"):
        with tempfile.TemporaryDirectory(prefix="triseal-bench-") as folder:
            yield _measure(Path(folder), algorithm)


def _measure(folder: Path, algorithm: str) -> Figure:
    with Site(folder, algorithm) as site:
        site.add_service(_SERVICE, b"async def main(ctx):\n    pass\n")
        site.add_node(_NODE, [_SERVICE])
        with server(site.home, folder / "log", "--log-level", "warning") as (ports, _):
            relay = Relay(ports.nodes)
            client = Client(relay.port, site.context(_NODE, ssl.TLSVersion.TLSv1_2), _NODE)
            client.take_seals(1)
            before = relay.octets
            for _ in range(_RENEWALS):
                client.ask(_SERVICE)
                client.renewed(_SERVICE)
            octets = relay.octets - before
            client.close()
            relay.close()
    return Figure(
        f"wire.renewal.{algorithm}", octets / _RENEWALS, "bytes", float(client.seal_octets)
    )


class Relay:
    """Passes one TCP connection on, and counts.

    Args:
        port: where to, on the loopback address.

    Attributes:
        port: where it listens.
        octets: passed on so far, both ways; counted before they are.
    """

    def __init__(self, port: int) -> None:
        self.octets = 0
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
                    self.octets += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # the server ends a connection without a farewell
            return
