"""The handshake of the TLS port: a small buffer for each connection; each failure closes it."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.worlds.link_world import SECONDS, LinkWorld, Serving, serving
from triseal.site.server.listeners.tls import KEEPALIVE
from triseal.site.server.transports import tls_accept
from triseal.site.server.transports.tls_accept import SmallTLS
from triseal.site.server.transports.tls_frames import Frames

RECORD = 16384  # the longest TLS record
LONG = 200_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path_factory.mktemp("accept")) as made:
        made.deploy("kitchen", "thermo")
        yield made


@pytest.fixture(scope="module")
def site(world: LinkWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


def frames_of(site: Serving, node: str) -> Frames:
    connection = site.server.registry.get(node)
    for _ in range(int(SECONDS * 100)):  # another thread serves it
        if connection:
            break
        time.sleep(0.01)
        connection = site.server.registry.get(node)
    assert connection is not None
    carrier = connection._carrier
    assert isinstance(carrier, Frames)
    return carrier


def test_the_buffer_of_a_nodes_connection_is_one_record(world: LinkWorld, site: Serving) -> None:
    world.node("kitchen", site.port).hello()
    tls = frames_of(site, "kitchen").transport._ssl_protocol  # type: ignore[attr-defined]
    assert isinstance(tls, SmallTLS)
    sizes = [len(one) for one in vars(tls).values() if isinstance(one, bytearray)]
    assert sizes
    assert max(sizes) == RECORD


def test_a_nodes_connection_is_probed_after_five_minutes(world: LinkWorld, site: Serving) -> None:
    world.node("kitchen", site.port).hello()
    found = frames_of(site, "kitchen").transport.get_extra_info("socket")
    assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert dict(KEEPALIVE)["TCP_KEEPIDLE"] == 300
    for name, value in KEEPALIVE:
        if hasattr(socket, name):
            assert found.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value


class Collected(asyncio.Protocol):
    """Keeps what it receives, and answers with as much as it got once that is `LONG`."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.transport: asyncio.BaseTransport | None = None
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        if len(self.data) == LONG:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(bytes(self.data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(exc)


def accepted(seconds: float = SECONDS) -> tuple[socket.socket, socket.socket]:
    """A connection on the loopback address: the server's end, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=seconds)
        server, _ = listener.accept()
    server.setblocking(False)
    return server, client


def test_what_is_longer_than_the_buffer_arrives_whole_both_ways(
    world: LinkWorld, site: Serving
) -> None:
    context = world.node("kitchen", site.port).context
    data = os.urandom(LONG)

    def talk(client: socket.socket) -> bytes:
        with context.wrap_socket(client) as tls:
            tls.sendall(data)
            back = b""
            while len(back) < LONG:
                back += tls.recv(65536)
        return back

    async def serve() -> tuple[bytes, bytes]:
        server, client = accepted()
        talking = asyncio.create_task(asyncio.to_thread(talk, client))
        made = await tls_accept.accept(server, Collected(), site.identity.context, SECONDS)
        back = await talking
        await made.ended
        return bytes(made.data), back

    assert asyncio.run(serve()) == (data, data)


@pytest.mark.parametrize(
    ("sentence", "sent", "expected"),
    [
        ("what is not TLS is refused", b"GET / HTTP/1.1\r\n\r\n", ssl.SSLError),
        ("an end in the middle is refused", b"\x16\x03\x01\x00\x80", ConnectionResetError),
    ],
)
def test_a_failed_handshake_closes_the_connection(
    site: Serving, sentence: str, sent: bytes, expected: type[Exception]
) -> None:
    async def serve() -> tuple[int, bool]:
        server, client = accepted()
        with client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            application = Collected()
            with pytest.raises(expected):
                await tls_accept.accept(server, application, site.identity.context, SECONDS)
            await asyncio.to_thread(drain, client)
        return server.fileno(), application.transport is None

    assert asyncio.run(serve()) == (-1, True), sentence


def drain(client: socket.socket) -> None:
    """Read until the other end has closed; fails if it stays open."""
    try:
        while client.recv(4096):
            pass
    except ConnectionResetError:
        return


def test_a_silent_client_is_cut_off_in_time(site: Serving) -> None:
    async def serve() -> int:
        server, client = accepted()
        with client:
            with pytest.raises(ConnectionAbortedError):
                await tls_accept.accept(server, Collected(), site.identity.context, 0.05)
            await asyncio.to_thread(drain, client)
        return server.fileno()

    assert asyncio.run(serve()) == -1


def test_a_cancelled_handshake_closes_the_connection_and_leaves_no_error(site: Serving) -> None:
    complaints: list[dict[str, object]] = []

    async def serve() -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        server, client = accepted()
        with client:
            begun = tls_accept.accept(server, Collected(), site.identity.context, SECONDS)
            task = asyncio.create_task(begun)
            for _ in range(5):  # turns of the loop: the handshake has begun and waits
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            await asyncio.to_thread(drain, client)
        return server.fileno()

    assert asyncio.run(serve()) == -1
    gc.collect()
    assert complaints == []
