"""A site that serves in a thread, and the node's side of the link over real TLS."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sealcore import delta, messages, seal, signedtime
from tests.worlds.site_world import World, make_request
from tests.worlds.waiting import looks
from triseal.signer import PrivateKey
from triseal.site.manager import Manager
from triseal.site.server.duties import Duties
from triseal.site.server.events import Events
from triseal.site.server.limits import Limits
from triseal.site.server.listeners.certificate import Identity
from triseal.site.server.listeners.serial import Lines
from triseal.site.server.listeners.tls import Server, listen
from triseal.site.server.metrics import Metrics
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.watch import watch

SECONDS = 60.0  # for anything that a test waits for
_DAY = 86400
_RECEIVE_OCTETS = 8192  # as little as a board has


class Serving:
    """A server process of a site, as a thread."""

    def __init__(
        self,
        manager: Manager,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
        serial: Sequence[str] = (),
    ) -> None:
        self._serial = serial
        self.metrics = Metrics()
        self.identity = Identity()
        self.duties = Duties()
        recorded = Events(self.metrics).recorded
        self.pipeline = Pipeline(
            manager.engine,
            manager.authority,
            clock,
            recorded=recorded,
            mark=manager.mark,
            duties=self.duties,
            reread=manager.authority_now,
        )
        self.server = Server(
            manager.name,
            self.pipeline,
            self.identity,
            limits or Limits(),
            self.metrics,
            manager.redeem,
            self.duties,
        )
        self.listener = listen("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Serving:
        self._thread.start()
        self._ready.result(SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SECONDS)
        self.listener.close()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        working = asyncio.create_task(self.pipeline.run())
        try:
            await self.pipeline.answer(self.identity.issue)
            tasks = [
                asyncio.create_task(self.server.run(self.listener)),
                asyncio.create_task(
                    watch(self.pipeline, self.identity, self.server.registry, self.duties)
                ),
            ]
            if self._serial:
                self.lines = Lines(self.server.reception)
                tasks.append(asyncio.create_task(self.lines.run(self._serial)))
            self._ready.set_result(None)
            await self._stop.wait()
        except BaseException as error:
            self._ready.set_exception(error)
            raise
        for task in (*tasks, working):
            task.cancel()
            await asyncio.wait([task])

    def tell(self, node: str, kind: int, *values: Any) -> None:
        """Send a connected node a message, whatever the site itself would say."""
        connection = self.server.registry.get(node)
        assert connection is not None
        out = [messages.frame(messages.write(kind, *values))]
        self._loop.call_soon_threadsafe(connection.send, out)

    def counted(self, name: str, **labels: str) -> float:
        """A metric's value."""
        return self.metrics.value(name, labels)

    def check_counted(self, number: float, name: str, **labels: str) -> None:
        """Check a value. An answer is counted after it was sent, so it may take a moment."""
        until(lambda: self.counted(name, **labels) >= number, f"{name} {labels} is {number}")
        assert self.counted(name, **labels) == number


def until(true: Callable[[], bool], what: str) -> None:
    """Wait until something has become true that nobody announces."""
    for _ in looks(SECONDS):
        if true():
            return
    raise AssertionError(f"never: {what}")


def client_context(world: World, folder: Path, der: bytes, key: PrivateKey) -> ssl.SSLContext:
    """The TLS of whoever holds this certificate and key."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_hex(4)}.pem"
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    path.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(world.folder / "site.crt")
    context.load_cert_chain(path)
    return context


class HasManager(Protocol):
    """A site, however it was made."""

    @property
    def manager(self) -> Manager: ...


@dataclass
class Node:
    """The node's side, as obedient or as hostile as a test wants it.

    Attributes:
        seals: DER by service, as they came.
    """

    world: HasManager
    name: str
    port: int
    context: ssl.SSLContext
    seals: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, list[tuple[str, int, bytes]]] = field(default_factory=dict)
    now: int = 0
    asked: tuple[int, tuple[Any, ...]] = (0, ())  # the last RENEWNOW
    tls: ssl.SSLSocket = None  # type: ignore[assignment] # until it is connected

    def connect(self) -> ssl.SSLSocket:
        """A TLS connection; also kept as `tls`."""
        self.close()
        _opened.append(self)
        raw = socket.socket()
        raw.settimeout(SECONDS)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_OCTETS)
        raw.connect(("127.0.0.1", self.port))
        try:
            self.tls = self.context.wrap_socket(raw)
        finally:
            raw.close()  # it has been detached, or is of no use
        return self.tls

    def close(self) -> None:
        """Leave; nothing if there is no connection."""
        if self.tls is not None:
            self.tls.close()

    def send(self, kind: int, *values: Any) -> None:
        self.tls.sendall(messages.frame(messages.write(kind, *values)))

    def read(self) -> tuple[int, tuple[Any, ...]]:
        """The next message; raises EOFError when the site has closed."""
        kind, values = messages.parse(self._exactly(messages.frame_size(self._exactly(4))))
        self._take(kind, values)
        return kind, values

    def expect(self, kind: int) -> tuple[Any, ...]:
        """The next message, which must be of this kind.

        A repeated RENEWNOW is passed over, as a node does: whatever changes at the site meanwhile,
        it compares what the node holds with what it should hold, and may ask once more.
        """
        found, values = self.read()
        while found != kind and (found, values) == self.asked:
            found, values = self.read()
        if found == messages.RENEWNOW:
            self.asked = found, values
        assert found == kind, (found, values)
        return values

    def hello(
        self, bundle: tuple[int, bytes] = (0, bytes(16)), state: str = "running", /, **held: bytes
    ) -> Any:
        """Say HELLO; the values of WELCOME, its time checked.

        Args:
            bundle: version and mark of the trust bundle that it says it has.
            state: the state of the services that it holds.
            **held: serials by service.
        """
        self.connect()
        nonce = secrets.token_bytes(16)
        told = [(service, serial, messages.STATES.index(state)) for service, serial in held.items()]
        said = messages.PROTOCOL, self.name, nonce, *bundle, 0, "", told
        self.send(messages.HELLO, *said)
        signed, newer = self.expect(messages.WELCOME)
        keys = self.world.manager.bundle().site_keys
        self.now = signedtime.read(signed, keys, self.world.manager.name, nonce)
        return signed, newer

    def serial(self, service: str) -> bytes:
        """Of the seal that it holds."""
        return parsed(self.seals[service]).serial.to_bytes(16, "big")

    def closed(self) -> bool:
        """Read on until the site has closed; whether it did, and not merely fell silent."""
        try:
            while True:
                self.read()
        except TimeoutError:
            return False
        except (EOFError, OSError):
            return True
        finally:
            self.close()

    def _take(self, kind: int, values: tuple[Any, ...]) -> None:
        if kind == messages.ASSIGN:
            service, der, files = values
            self.seals[service] = der
            self.files[service] = files
        elif kind == messages.RENEWED:
            begin, end, deltas = values
            for service, serial, signature in deltas:
                held = self.seals[service]
                self.seals[service] = delta.apply(held, serial, begin, end, signature)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                part = self.tls.recv(size - len(data))
            except ConnectionError:  # the site has closed while TLS still had something to write
                part = b""
            if not part:
                raise EOFError
            data += part
        return data


_opened: list[Node] = []


def close_nodes() -> None:
    """All that a test has opened."""
    while _opened:
        _opened.pop().close()


def parsed(der: bytes) -> seal.Seal:
    return seal.parse(der, seal.SITE)


class LinkWorld(World):
    """A site with services on nodes, whose time is the real one, as TLS asks for it."""

    def __init__(
        self, folder: Path, algorithm: str = "p256", name: str = "house", database: str = ""
    ) -> None:
        now = int(time.time())
        super().__init__(folder / "site", algorithm, now, database, name, age=_DAY)
        self.known: set[str] = set()
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.scratch = folder / "nodes"

    def deploy(self, node: str, *services: str) -> None:
        """Add the node and the services as needed; assign these to that."""
        if node not in self.node_keys:
            self.add_node(node)
        for service in services:
            if service not in self.known:
                self.manager.add_service(self.package(service))
                self.known.add(service)
            self.manager.assign(node, service)

    def node(self, name: str, port: int) -> Node:
        """The node's side of the link."""
        if name not in self.contexts:
            der = self.certificate(name)
            self.contexts[name] = client_context(self, self.scratch, der, self.node_keys[name])
        return Node(self, name, port, self.contexts[name])

    def certificate(self, name: str) -> bytes:
        """A fresh certificate of a node."""
        return self.manager.enrol(name, make_request(self.node_keys[name], name)).der


@contextmanager
def serving(
    world: World,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.time,
    serial: Sequence[str] = (),
) -> Iterator[Serving]:
    """A server of its own over the world's database, and over these ports."""
    with world.open() as manager, Serving(manager, limits, clock, serial) as running:
        yield running
