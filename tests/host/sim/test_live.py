"""The simulation's bytes against those that a real site and a node exchange over real TCP.

The site has the name of the simulated one, and the node its greeting: what is left that differs are
the two ECDSA signatures of a handshake, of which each is a byte or two longer or shorter.
"""

from __future__ import annotations

import secrets
import socket
import ssl
import time

import pytest

from sealcore import messages
from tests.worlds.link_world import SECONDS, LinkWorld, Node, serving
from triseal.sim import handshake, sizes, specimen
from triseal.site import home
from triseal.site.server.listeners import certificate


class CountedTls:
    """A TLS connection that counts what goes over its TCP socket, both ways."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._raw = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self.wire_bytes = 0
        while not self._done():
            pass
        self._flush()

    def _done(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            self._fill()
            return False
        return True

    def _flush(self) -> None:
        data = self._outgoing.read()
        self.wire_bytes += len(data)
        self._raw.sendall(data)

    def _fill(self) -> None:
        data = self._raw.recv(65536)
        if not data:
            raise EOFError
        self.wire_bytes += len(data)
        self._incoming.write(data)

    def sendall(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def recv(self, size: int) -> bytes:
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._fill()

    def close(self) -> None:
        self._raw.close()


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Octets of a reconnect and of one renewal, with the names that `sizes` uses."""
    folder = tmp_path_factory.mktemp("live")
    with LinkWorld(folder, "rsa2048", specimen.SITE) as world:
        world.deploy(specimen.NODE, specimen.SERVICE)
        with serving(world) as site:
            node = world.node(specimen.NODE, site.port)
            node.context = as_simulated(world)
            node.hello()
            node.expect(messages.ASSIGN)
            node.close()
            return measured(node, world.manager.bundle().version)


def as_simulated(world: LinkWorld) -> ssl.SSLContext:
    """TLS of the simulated node, with the certificate of the real one."""
    pem = (world.folder / home.CERTIFICATE).read_text(encoding="ascii")
    context = handshake.node_context(ssl.PEM_cert_to_DER_cert(pem))
    certificate.load_own(context, world.certificate(specimen.NODE), world.node_keys[specimen.NODE])
    return context


def measured(node: Node, bundle_version: int) -> dict[str, int]:
    tls = CountedTls(node.context, node.port)
    node.tls = tls  # type: ignore[assignment]
    serial, running = node.serial(specimen.SERVICE), messages.STATES.index("running")
    told = [(specimen.SERVICE, serial, running)]
    nonce = secrets.token_bytes(16)
    node.send(
        messages.HELLO,
        messages.PROTOCOL,
        node.name,
        nonce,
        bundle_version,
        bytes(16),
        int(time.time()),
        "power-on",
        told,
    )
    node.expect(messages.WELCOME)
    connected = tls.wire_bytes
    node.send(messages.RENEW, int(time.time()), [(specimen.SERVICE, serial)])
    node.expect(messages.RENEWED)
    node.close()
    return {"reconnect": connected, "renewal": tls.wire_bytes - connected}


def test_a_renewal_is_as_many_bytes_as_simulated(exchanged: dict[str, int]) -> None:
    assert exchanged["renewal"] == sizes.renew() + sizes.by_delta(0)


def test_a_reconnect_is_as_many_bytes_as_simulated(exchanged: dict[str, int]) -> None:
    assert exchanged["reconnect"] == pytest.approx(sizes.reconnect(1), abs=8)
