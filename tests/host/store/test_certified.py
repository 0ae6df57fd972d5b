"""The API for whoever runs the Store, on a port: real TLS, and clients that may not use it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.host.store.test_store import ADA_KEY, World, versioned
from tests.worlds import store_service
from tests.worlds.site_world import code_of
from triseal import request, signer, storejson
from triseal.cli.main import main
from triseal.errors import BadAnswer
from triseal.request import fingerprint
from triseal.serving import door
from triseal.signer import KeySigner
from triseal.store import remote as remote_module
from triseal.store.changes import Why
from triseal.store.remote import Remote
from triseal.store.server import admin, bodies, process
from triseal.store.server.certified import Certified, context_of
from triseal.storelink import Link, StoreRefused

_JSON = "Content-Type: application/json\r\n"
_CLIENT, _SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def _name(*names: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, one, _validate=False) for one in names]
    )


class Authority:
    """An authority that issues certificates, each into a file with its key."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder / name
        self._folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(name)
        made = self._builder(self._subject, self._key, (-1, 10))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file = self._folder / "authority.pem"
        signed = made.sign(self._key, hashes.SHA256())
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[float, float]
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return x509.CertificateBuilder(
            self._subject,
            subject,
            key.public_key(),
            x509.random_serial_number(),
            now + timedelta(days[0]),
            now + timedelta(days[1]),
        )

    def issue(
        self,
        *names: str,
        days: tuple[float, float] = (-1, 5),
        use: x509.ObjectIdentifier = _CLIENT,
        host: str = "",
    ) -> Path:
        """Issue a certificate, and return the file."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(_name(*names), key, days)
        made = made.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        if host:
            names_of = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
            made = made.add_extension(names_of, critical=False)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file = self._folder / f"{len(list(self._folder.iterdir()))}.pem"
        file.touch(0o600)
        signed = made.sign(self._key, hashes.SHA256())
        file.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
        return file


@dataclass
class Port:
    """A Store whose API for administration is on a port.

    Attributes:
        world: the Store.
        url: of the port.
        operator: the authority whose clients may use it.
        other: another authority.
        listener: the door of the port.
        mark: fingerprint of the Store's key.
    """

    world: World
    url: str
    operator: Authority
    other: Authority
    listener: door.Door
    mark: str

    @property
    def place(self) -> tuple[str, int]:
        host, number = self.listener.getsockname()
        return host, number

    def context(self, identity: Path | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if identity is not None:
            context.load_cert_chain(identity)
        return context

    def client(self, identity: Path) -> httpx.Client:
        return httpx.Client(verify=self.context(identity), trust_env=False, base_url=self.url)

    def got(self, identity: Path | None, session: ssl.SSLContext | None = None) -> bytes:
        """All that comes back for a decision that is sent at once."""
        body = json.dumps({"service": "blink", "reason": "why"}).encode()
        head = f"POST /v1/admin/archive HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        found = b""
        context = session or self.context(identity)
        with (
            suppress(OSError),
            socket.create_connection(self.place, 20) as plain,
            context.wrap_socket(plain) as secure,
        ):
            secure.sendall(f"{head}{_JSON}Connection: close\r\n\r\n".encode() + body)
            while piece := secure.recv(4096):
                found += piece
        return found


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    folder = tmp_path_factory.mktemp("certified")
    operator, other = Authority(folder, "operator"), Authority(folder, "other")
    with World(folder / "store") as world:
        world.now = int(time.time())
        world.store.submit(versioned("1.0"))
        own = world.store.server_certificate(["127.0.0.1"])
        listener = process.listen("127.0.0.1", 0)
        serving = Certified(listener, context_of((own, own), operator.file))
        server = serving.server(admin.app(world.store))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        host, number = listener.getsockname()
        with closing(listener):
            mark = fingerprint(world.store.certificate.spki)
            yield Port(world, f"https://{host}:{number}", operator, other, listener, mark)
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def test_the_name_in_the_certificate_is_recorded_with_the_decision(port: Port) -> None:
    with Remote(f"{port.url}#{port.mark}", port.operator.issue("Eve Adams")) as remote:
        before = len(port.world.store.changes())
        assert remote.archive("blink", Why("nobody works on it", "root")).state == "archived"
        assert remote.reopen("blink", Why("Bob does", "root")).state == "active"
        made = port.world.store.changes()[before:]
        assert [one.who for one in made] == ["certificate:Eve Adams"] * 2
        assert [one.reason for one in made] == ["nobody works on it", "Bob does"]
        assert [one["who"] for one in remote.changes(before)] == ["certificate:Eve Adams"] * 2


def _refused(port: Port) -> dict[str, Path | None]:
    operator, other = port.operator, port.other
    return {
        "none": None,
        "of another authority": other.issue("Eve"),
        "of another one with the same name": Authority(other.file.parent, "operator").issue("Eve"),
        "ended": operator.issue("Eve", days=(-5, -0.01)),
        "not yet valid": operator.issue("Eve", days=(1, 5)),
        "of a server": operator.issue("Eve", use=_SERVER),
        "without a name": operator.issue(),
        "with two names": operator.issue("Eve", "root"),
        "with a name of two lines": operator.issue("Eve\nroot"),
        "with a name that is too long": operator.issue("é" * 26 + "e"),
    }


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_whoever_has_no_valid_certificate_gets_no_byte(port: Port) -> None:
    before = port.world.store.changes()
    for what, identity in _refused(port).items():
        assert port.got(identity) == b"", what
    old = port.context(port.operator.issue("Eve"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert port.got(None, old) == b""
    assert port.world.store.changes() == before
    assert b" 200 " in port.got(port.operator.issue("Eve"))
    port.world.store.reopen("blink", Why("why"))


def test_a_certificate_that_ends_ends_its_connection(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    with port.client(port.operator.issue("Eve")) as client:
        assert client.get("/v1/admin/services").status_code == 200
        later = time.time() + 6 * 86400
        monkeypatch.setattr(time, "time", lambda: later)
        with pytest.raises(httpx.TransportError):
            client.get("/v1/admin/services")


def test_no_session_is_resumed(port: Port) -> None:
    context = port.context(port.operator.issue("Eve"))
    with socket.create_connection(port.place, 20) as plain, context.wrap_socket(plain) as secure:
        secure.sendall(b"GET /v1/admin/services HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert secure.recv(4096)
        assert secure.session is None or not secure.session.has_ticket


def test_no_header_says_who_asks(port: Port) -> None:
    """Uvicorn takes the name of the client from a header, if a proxy on this computer sends it."""
    before = len(port.world.store.changes())
    for name in ("127.0.0.1", "::1"):
        with port.client(port.operator.issue(name)) as client:
            for action in ("archive", "reopen"):
                body = {"service": "blink", "reason": "why"}
                headers = {"X-Forwarded-For": "root", "Forwarded": "for=root"}
                answer = client.post(f"/v1/admin/{action}", json=body, headers=headers)
                assert answer.status_code == 200
    made = port.world.store.changes()[before:]
    wanted = ["certificate:127.0.0.1"] * 2 + ["certificate:::1"] * 2
    assert [one.who for one in made] == wanted


def test_bodies_are_small(port: Port) -> None:
    before = port.world.store.changes()
    with port.client(port.operator.issue("Eve")) as client:
        text = b'{"service": "blink", "reason": "why"' + b" " * bodies.MAX_SMALL + b"}"
        answer = client.post("/v1/admin/archive", content=text)
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
        pieces = iter([text[:9], *[b" " * 1000] * 20])  # its length is not said before
        answer = client.post("/v1/admin/archive", content=pieces)
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert port.world.store.changes() == before


def test_bodies_come_in_time(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SMALL_SECONDS", 0.2)
    before = port.world.store.changes()
    context = port.context(port.operator.issue("Eve"))
    with socket.create_connection(port.place, 20) as plain, context.wrap_socket(plain) as secure:
        secure.sendall(b"POST /v1/admin/archive HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert b" 408 " in secure.recv(4096)
    assert port.world.store.changes() == before


def test_strangers_take_no_place_of_those_who_have_a_certificate(port: Port) -> None:
    strangers = []
    port.listener.most = 8
    try:
        for _ in range(12):  # they say nothing
            strangers += [socket.create_connection(port.place, 20)]
        with port.client(port.operator.issue("Eve")) as client:
            assert client.get("/v1/admin/services").status_code == 200
        assert port.listener.strangers <= 8
    finally:
        port.listener.most = door.MOST
        for one in strangers:
            one.close()


def test_a_client_checks_the_store_and_its_own_file(port: Port, tmp_path: Path) -> None:
    mine = port.operator.issue("Eve")
    wrong = f"{port.url}#{'0' * 64}"
    assert code_of(lambda: Link(wrong, identity=mine)) == "other-fingerprint"
    assert code_of(lambda: Link(port.url, identity=mine).about()) == "store-unreachable"
    right = f"{port.url}#{port.mark}"
    assert code_of(lambda: Link(right)) == "store-unreachable"
    assert code_of(lambda: Link(right, identity=port.other.issue("Eve"))) == "store-unreachable"
    assert code_of(lambda: Link(right, identity=port.operator.file)) == "open-permissions"
    port.operator.file.chmod(0o600)
    assert code_of(lambda: Link(right, identity=port.operator.file)) == "bad-admin-certificate"
    mine.chmod(0o640)
    assert code_of(lambda: Link(right, identity=mine)) == "open-permissions"
    key = serialization.load_pem_private_key(port.operator.issue("Eve").read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.touch(0o600)
    locked.write_bytes(
        port.operator.issue("Eve").read_bytes().partition(b"-----BEGIN PRIVATE")[0]
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert code_of(lambda: Link(right, identity=locked)) == "bad-admin-certificate"


@pytest.mark.parametrize("text", [b"", b"x", b"\xff", b"-----BEGIN CERTIFICATE-----\nAA\n"])
def test_an_authority_that_is_none_is_refused(port: Port, tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "authority.pem"
    file.write_bytes(text)
    own = port.world.home / "tls.pem"
    assert code_of(lambda: context_of((own, own), file)) == "bad-admin-clients"


STEPS = (
    ("approve", "{mark}", "approved"),
    ("quarantine", "blink --reason why", "quarantined"),
    ("changes", "--who certificate:", "certificate:Eve"),
    ("list", "--developers", "Bob"),
)


@contextmanager
def _served(home: Path, *words: str) -> Iterator[dict[str, Any]]:
    with store_service.start(home, *words) as process:
        try:
            assert process.stdout is not None
            yield dict(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
        assert process.wait(20) == 0


def test_the_commands_decide_at_a_store_elsewhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    operator = Authority(tmp_path, "operator")
    mine = operator.issue("Eve")
    with World(tmp_path / "store") as world:
        world.now = int(time.time())
        world.store.submit(versioned("1.0"))
        listening = "--admin-listen", "127.0.0.1:0", "--admin-clients", str(operator.file)
        with _served(world.home, *listening, "--behind-proxy") as told:
            assert told["url"].startswith("http:")
            more = ["--admin", told["admin"], "--admin-certificate", str(mine)]
            for action, words, expected in STEPS:
                given = words.format(mark=world.bob.fingerprint).split()
                status = main(["store", action, *given, *more])
                said = capfd.readouterr()
                assert (status, expected in said.out.split()) == (0, True), (action, said)
            assert {one.who for one in world.store.changes()[1:]} == {"certificate:Eve"}
            assert main(["store", "resume", "Bob", "--reason", "why", *more]) == 1
            assert "wrong-state" in capfd.readouterr().err
            assert main(["store", "list", *more]) == 2
            here = "--home", str(world.home)
            for action, words, _ in STEPS:
                given = words.format(mark=world.bob.fingerprint).split()
                assert main(["store", action, *given, *more, *here]) == 2, action
            assert main(["store", "list", "--developers", *more[:2]]) == 2


def test_each_decision_can_be_made_from_elsewhere(port: Port) -> None:
    why = Why("why")
    new = port.world.store.register(request.make(KeySigner(signer.generate("p256")), "Ada"))
    with Remote(f"{port.url}#{port.mark}", port.operator.issue("Eve")) as remote:
        assert remote.suspend("Ada", why).state == "suspended"
        assert remote.resume("Ada", why).state == "approved"
        made, old = remote.approve_key("Ada", new.fingerprint, why)
        assert (made.state, made.fingerprint) == ("approved", new.fingerprint)
        assert old.fingerprint == fingerprint(KeySigner(ADA_KEY).spki)
        assert remote.approve(port.world.bob.fingerprint, why).state == "approved"
        assert remote.quarantine("blink", "", why).state == "quarantined"
        assert remote.clear("blink", "", why).state == "active"
        assert remote.hand_over("blink", "Bob", why) == "Ada"
        release = remote.withdraw("blink", "1.0", why)
        assert (release.state, bool(release.withdrawn_at)) == ("withdrawn", True)
        assert remote.set_limits("Bob", None, 4096).size == 4096
        assert {one.state for one in remote.developers()} == {"approved", "replaced"}
        with pytest.raises(StoreRefused) as refused:
            remote.clear("blink", "1.0", why)
        assert refused.value.code == "wrong-state"


@pytest.mark.parametrize(
    "text", [b"[]", b'{"name": 7}', b'{"name": "Bob", "registered_at": "now"}', b"x", b""]
)
def test_an_answer_of_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(BadAnswer):
        remote_module.developer(storejson.parsed("the answer", text))
