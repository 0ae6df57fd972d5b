"""The Store as a service: a real server process, real TLS, and clients that cheat."""

from __future__ import annotations

import asyncio
import base64
import getpass
import hashlib
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import Request
from starlette.datastructures import Address
from starlette.requests import ClientDisconnect

from tests.host.store.test_store import ADA, ADA_KEY, BOB, BOB_KEY, World
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import package, request, signedrequest, signer
from triseal.certificate import Validity, key_of
from triseal.cli.main import main
from triseal.copies.answer import sealed_by
from triseal.errors import Failure
from triseal.log import checkpoint, endorsement, note, proof
from triseal.package import Package
from triseal.request import fingerprint
from triseal.serving import door
from triseal.signedrequest import Wanted
from triseal.signer import KeySigner
from triseal.store.server import app as server
from triseal.store.server import bodies, flood
from triseal.store.server.metrics import Metrics
from triseal.store.store import Store
from triseal.storelink import Link

# The server uses the real clock.
VALID = Validity(int(time.time()) - 86400, int(time.time()) + 300 * 86400)


@dataclass
class Service:
    """A running Store.

    Attributes:
        url: as the server has printed it, with the fingerprint.
        base: the same without it.
        world: the Store, also open here.
        trusted: what trusts the Store's certificate alone.
        client: a plain client that does.
        pages: port of the pages about the process.
        log: file with the log of the process.
    """

    url: str
    world: World
    trusted: ssl.SSLContext
    client: httpx.Client
    pages: int
    log: Path

    @property
    def base(self) -> str:
        return self.url.partition("#")[0]

    def post(self, data: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        answer = self.client.post(f"{self.base}/v1/submissions", content=data, headers=headers)
        return answer.status_code, answer.json()

    def signed(
        self, data: bytes, key: signer.PrivateKey = ADA_KEY, **changed: Any
    ) -> dict[str, str]:
        """Headers for a submission, with changes to what is signed."""
        nonce = self.client.get(f"{self.base}/v1/nonce").json()["nonce"]
        digest = hashlib.sha256(data).digest()
        own = self.url.partition("#")[2]
        wanted = Wanted(own, "POST", "/v1/submissions", digest, int(time.time()), nonce)
        mine = KeySigner(key)
        return {
            signedrequest.KEY: fingerprint(mine.spki),
            signedrequest.REQUEST: replace(wanted, **changed).sign(mine),
        }


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("store") / "store"
    with World(home) as world:
        world.now = int(time.time())
        command = [sys.executable, "-m", "triseal", "store", "serve", "--home", str(home)]
        command += ["--listen", "127.0.0.1:0", "--json", "--admin-socket", str(home / "admin")]
        command += ["--pages", "0", "--log-level", "debug"]
        log = tmp_path_factory.mktemp("log") / "log"
        with (
            log.open("w") as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                told = json.loads(process.stdout.readline())
                url = told["url"]
                with Link(url) as link:
                    trusted = str(link.about()["certificate"])
                context = ssl.create_default_context(cadata=trusted)
                with httpx.Client(verify=context, trust_env=False) as client:
                    yield Service(url, world, context, client, told["pages"], log)
                    listening = f"{url.partition('#')[0]}/v1/events"
                    with client.stream("GET", listening) as stream:
                        process.send_signal(signal.SIGTERM)
                        assert b"".join(stream.iter_raw())  # it ends, and keeps nobody waiting
            finally:
                process.terminate()
                assert process.wait(20) == 0


def release(version: str, service: str = "blink", who: Any = ADA) -> Package:
    return seals.package(who, service, version=version, validity=VALID)


def test_a_package_is_uploaded_and_read_back(service: Service) -> None:
    given = release("1.0")
    with Link(service.url) as link:
        answer = link.submit(given.der(), ADA.signer)
        made = sealed_by(given, answer)
        assert package.parse(link.read(answer["path"])) == made
        page = link.facts("v1/services/blink.json")
        assert [row["package"] for row in page["releases"]] == [made.digest().hex()]
        about = link.about()
        head = checkpoint.parse(link.read("log/checkpoint"))
        assert link.submit(given.der(), ADA.signer) == answer  # the answer was lost, say
    spki = key_of(about["certificate"])
    key = endorsement.check(about["log_endorsement"], spki)
    found = proof.parse(made.proof)
    found.check_path()
    assert found.checkpoint.note.check([key]) == {key: 0}
    assert head.note.check([note.parse_key(about["log"], note.LOG)])
    assert f"#{fingerprint(spki)}" in service.url


def test_an_answer_of_another_form_is_refused(service: Service) -> None:
    given, other = release("1.0", "form"), release("1.0", "form2")
    with Link(service.url) as link:
        answer = link.submit(given.der(), ADA.signer)
        foreign = link.submit(other.der(), ADA.signer)
    assert sealed_by(given, answer).proof == answer["proof"]
    for name in ("package", "store_seal", "proof"):
        forms: tuple[Any, ...] = (None, 5, 1.5, [], {}, True, "", "x", "\ud800", "YQ==")
        for wrong in forms:
            call = partial(sealed_by, given, answer | {name: wrong})
            assert code_of(call) == "bad-answer", (name, wrong)
        less = {key: value for key, value in answer.items() if key != name}
        assert code_of(partial(sealed_by, given, less)) == "bad-answer", name
    swapped = replace(given, store_seal=base64.b64decode(foreign["store_seal"]))
    cheat = answer | {
        "store_seal": foreign["store_seal"],
        "package": swapped.digest().hex(),
    }
    assert code_of(partial(sealed_by, given, cheat)) == "bad-answer"
    for proved in (foreign["proof"], answer["proof"].replace("\nindex ", "\nindex 1")):
        assert code_of(partial(sealed_by, given, answer | {"proof": proved})) == "bad-answer"


def test_another_fingerprint_is_another_store(service: Service) -> None:
    assert code_of(lambda: Link(f"{service.base}#{'0' * 64}")) == "other-fingerprint"
    with Link(service.base) as link:  # no authority of the web has signed its certificate
        assert code_of(link.about) == "store-unreachable"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "https://",
        "ftp://x",
        "https://a@b",
        "https://a?b",
        "https://[::1",
        "https://::1",
        "https://h:x",
        "https://h:0",
        "https://h:99999",
        "https://h\n",
        "https://h :1",
        f"https://{'a' * 300}:1",
        "https://224.0.0.1:1",
        "https://h:1#abc",
        f"https://h:1#{'g' * 64}",
    ],
)
def test_what_is_no_url_of_a_store_is_refused(url: str) -> None:
    assert code_of(partial(Link, url)) == "bad-url"


def test_who_registers_waits_for_a_person(service: Service) -> None:
    data = request.make(KeySigner(signer.generate("p256")), "Cleo")
    with Link(service.url) as link:
        assert link.register(data)["state"] == "pending"
        assert link.register(data)["state"] == "pending"
        assert code_of(lambda: link.register(b"noise")) == "bad-request"
        assert code_of(lambda: link.register(b" " * 100_000)) == "too-large"


PATHS = (
    "v1",
    "v1/",
    "v2/index.json",
    "v1/packages/",
    "v1/packages/../../../store.key",
    "v1/packages/..%2f..%2f..%2fstore.key",
    "v1/services/..%2f..%2findex.json",
    "log/../../log.key",
    "log/..%2f..%2flog.key",
    "log/tile/0/000.p/0",
    "log/tile/0/000.p/99",
    "v1/services/nobody.json",
    f"v1/packages/{'0' * 64}.triseal",
    "openapi.json/",
)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_there(service: Service, path: str) -> None:
    """Sent as it is: a client would shorten such paths."""
    text = f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head, _, body = _raw(service, text.encode()).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"404"
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "not-found"


def _raw(service: Service, data: bytes) -> bytes:
    host, _, port = service.base.removeprefix("https://").partition(":")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port)), 20) as plain,
        context.wrap_socket(plain) as stream,
    ):
        stream.sendall(data)
        answer = b""
        while piece := stream.recv(65536):
            answer += piece
    return answer


def test_pages_say_how_long_they_last(service: Service) -> None:
    with Link(service.url) as link:
        link.submit(release("1.1").der(), ADA.signer)
        row = link.facts("v1/index.json")["services"][0]
    for path, kept in ((row["path"], "immutable"), ("/v1/index.json", "no-cache")):
        answer = service.client.get(service.base + path)
        assert kept in answer.headers["cache-control"]
        again = service.client.head(service.base + path)
        assert (again.status_code, again.content) == (200, b"")
        assert again.headers["etag"] == answer.headers["etag"]


Headers = Callable[[Service, bytes], dict[str, str]]
REFUSED: tuple[tuple[str, Headers, int, str], ...] = (
    ("no signature", lambda _, __: {}, 401, "not-signed"),
    (
        "the signature of a stranger",
        lambda s, d: s.signed(d, signer.generate("p256")),
        401,
        "not-signed",
    ),
    (
        "her fingerprint with the signature of another",
        lambda s, d: s.signed(d, BOB_KEY) | {signedrequest.KEY: fingerprint(ADA.signer.spki)},
        401,
        "not-signed",
    ),
    (
        "noise for a signature",
        lambda s, d: s.signed(d) | {signedrequest.REQUEST: "?"},
        401,
        "not-signed",
    ),
    ("another path", lambda s, d: s.signed(d, path="/v1/developers"), 401, "not-signed"),
    ("another method", lambda s, d: s.signed(d, method="PUT"), 401, "not-signed"),
    ("an hour ago", lambda s, d: s.signed(d, time=int(time.time()) - 3600), 401, "not-signed"),
    ("a nonce of one's own", lambda s, d: s.signed(d, nonce="1.2.3"), 401, "not-signed"),
    ("a request to another Store", lambda s, d: s.signed(d, store="0" * 64), 401, "not-signed"),
    ("another body", lambda s, _: s.signed(b"other"), 400, "other-body"),
    ("a key that waits", lambda s, d: s.signed(d, BOB_KEY), 403, "untrusted-signer"),
)


def test_what_is_not_signed_changes_nothing(service: Service) -> None:
    data = release("7.0", "other").der()
    for sentence, headers, status, code in REFUSED:
        answered, problem = service.post(data, headers(service, data))
        assert (answered, problem["code"]) == (status, code), sentence
        assert problem["status"] == status
        assert problem["detail"]
        assert problem["advice"]
    assert not service.world.store.releases("other")


def test_no_other_store_can_pass_a_request_on(service: Service) -> None:
    data = release("1.0", "passed").der()
    own = fingerprint(service.world.store.certificate.spki)
    marks = {own: "", own.upper(): "", "": "", "0" * 64: "not-signed"}  # "": the Store says its own
    with Link(service.url) as link:
        for mark, code in marks.items():
            link.fingerprint = mark
            assert code_of(partial(link.submit, data, ADA.signer)) == code, mark


def test_a_request_is_good_once(service: Service) -> None:
    data = release("1.0", "once").der()
    headers = service.signed(data)
    assert service.post(data, headers)[0] == 200
    assert service.post(data, headers)[1]["code"] == "not-signed"


def test_the_store_refuses_with_the_codes_of_the_command_line(service: Service) -> None:
    good = release("2.0", "codes")
    cases = (
        (b"noise", ADA, 400, "malformed-der"),
        (release("1.0", "codes", BOB).der(), BOB, 403, "untrusted-signer"),
        (replace(good, executable=b"x = 1\n").der(), ADA, 400, "hash-mismatch"),
    )
    others = release("1.0", "codes", BOB).der()
    assert service.post(others, service.signed(others))[1]["code"] == "other-signer"
    for data, who, status, code in cases:
        key = ADA_KEY if who is ADA else BOB_KEY
        answered, problem = service.post(data, service.signed(data, key))
        assert (answered, problem["code"]) == (status, code)
        with Link(service.url) as link:
            assert code_of(partial(link.submit, data, who.signer)) == code


def test_a_body_that_is_too_large_is_cut_off(service: Service) -> None:
    data = bytes(package.MAX_SIZE + 1)
    assert service.post(data, service.signed(data))[1]["code"] == "too-large"


def test_nothing_is_left_of_what_was_received(service: Service) -> None:
    assert not list((service.world.home / "incoming").iterdir())


def test_the_api_is_described(service: Service) -> None:
    described = service.client.get(f"{service.base}/openapi.json").json()
    assert "/v1/submissions" in described["paths"]
    assert not [path for path in described["paths"] if "admin" in path]


def test_a_package_in_the_answer_is_the_one_that_was_sent(service: Service) -> None:
    given = release("3.0", "answer")
    with Link(service.url) as link:
        answer = link.submit(given.der(), ADA.signer)
    for changed in (
        {"store_seal": "?"},
        {"store_seal": base64.b64encode(b"other").decode()},
        {"store_seal": None},
        {"package": "00"},
    ):
        wrong = answer | changed
        assert code_of(partial(sealed_by, given, wrong)) == "bad-answer"


class Trickle:
    """A request whose body never ends."""

    def __init__(self, address: str = "") -> None:
        self.client = Address(address, 1)

    async def stream(self) -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()


class Whole(Trickle):
    """A request whose body comes at once."""

    async def stream(self) -> AsyncIterator[bytes]:
        yield b"body"


class Left(Trickle):
    """A request whose client has gone."""

    async def stream(self) -> AsyncIterator[bytes]:
        yield b"b"
        raise ClientDisconnect


def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    async def receive() -> None:
        async with bodies.received(cast("Request", Trickle()), tmp_path, 10, None, 0.01):
            raise AssertionError("it never ends")

    assert code_of(lambda: asyncio.run(receive())) == "too-slow"
    assert not list(tmp_path.iterdir())


def test_a_client_that_has_gone_is_no_defect(tmp_path: Path) -> None:
    async def receive() -> None:
        async with bodies.received(cast("Request", Left()), tmp_path, 10, None):
            raise AssertionError("it never ends")

    assert code_of(lambda: asyncio.run(receive())) == "too-slow"


def test_who_sends_slowly_keeps_nobody_out(tmp_path: Path) -> None:
    many, other = "192.0.2.1", "192.0.2.2"

    async def run() -> None:
        metrics = Metrics()
        api = server.Api(cast("Store", None), tmp_path, metrics)

        def shown() -> int:
            (line,) = re.findall(rb"^triseal_store_bodies (.*)$", metrics._text(), re.M)
            return int(float(line))

        async def code(asked: Trickle) -> str:
            try:
                await api._small(cast("Request", asked), 100)
            except Failure as error:
                return error.code
            return ""

        async with asyncio.TaskGroup() as group:
            asked = [Trickle(other), *(Trickle(many) for _ in range(3 * flood.MOST_ANONYMOUS))]
            slow = [group.create_task(code(one)) for one in asked]
            await asyncio.wait_for(asyncio.gather(*slow[1 : 2 * flood.MOST_ANONYMOUS + 2]), 20)
            assert shown() == flood.MOST_ANONYMOUS
            assert await code(Whole(other)) == ""  # it took the place of the oldest of the many
            gone = [one for one in slow if one.done()]
            assert {one.result() for one in gone} == {"too-busy"}
            assert gone == slow[1 : len(gone) + 1]
            with api._flood.body("a key"):  # what is signed has places of its own
                assert shown() == flood.MOST_ANONYMOUS
            for one in slow:
                one.cancel()
        assert shown() == 0

    asyncio.run(run())
    assert not list(tmp_path.iterdir())


def test_who_connects_and_says_nothing_keeps_nobody_out(service: Service) -> None:
    _, port = service.base.removeprefix("https://").split(":")
    more = 20
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", int(port)), 20))
            for _ in range(door.MOST + more)
        ]
        for one in clients[:more]:
            assert one.recv(1) == b""  # others came
        assert httpx.get(f"{service.base}/v1/nonce", verify=service.trusted).status_code == 200


def test_the_body_of_a_key_that_is_not_approved_is_not_read(service: Service) -> None:
    data = release("1.0", "unread", BOB).der()
    address = service.base.removeprefix("https://").split(":")
    headers = service.signed(data, BOB_KEY) | {"Content-Length": str(len(data)), "Host": "a"}
    lines = "".join(f"{name}: {said}\r\n" for name, said in headers.items())
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address[0], int(address[1])), 20) as plain,
        context.wrap_socket(plain) as made,
    ):
        made.sendall(f"POST /v1/submissions HTTP/1.1\r\n{lines}\r\n".encode())
        assert b" 403 " in made.recv(100)  # without a byte of the body


def test_from_a_developer_to_a_site_by_https(
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path / "home"))
    for name in ("TRISEAL_PASSPHRASE", "TRISEAL_STORE_DATABASE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Any:
        assert main([*words, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    def fails(*words: str) -> str:
        assert main(words) == 1
        return capsys.readouterr().err.split(": ")[1]

    fast = ("--algorithm", "p256", "--no-passphrase")
    Path("pump.py").write_text("async def main(ctx):\n    pass\n")
    run("dev", "init", "--name", "Dora", *fast)
    mark = run("dev", "register", "--store", service.url)["fingerprint"]
    sign = ("dev", "sign", "pump.py", "--name", "pump", "--security-version", "1")
    run(*sign, "--version", "1.0", "--out", "a.triseal")
    upload = ("dev", "upload", "a.triseal", "--store", service.url)
    assert fails(*upload) == "untrusted-signer"  # nobody has approved her
    service.world.store.approve(mark)
    assert run(*upload, "--out", "b.triseal")["service"] == "pump"
    assert package.read(Path("b.triseal")).proof

    run("site", "init", "plant", *fast)
    assert fails("site", "trust-store", service.base) == "bad-url"
    run("site", "trust-store", service.url)
    assert main(["dev", "request", "--out", "dora.pem"]) == 0
    capsys.readouterr()
    run("site", "trust-developer", "dora.pem", "--fingerprint", mark)
    add = ("site", "add-service", "--store", service.url)
    assert run(*add, "pump")["version"] == "1.0"
    run(*sign, "--version", "1.1", "--out", "c.triseal")
    run("dev", "upload", "c.triseal", "--store", service.url)
    assert run(*add, "pump")["version"] == "1.1"
    assert fails(*add, "pump@9") == "unknown-service"
    assert fails(*add, "pump@1.0") == "rollback"
    assert fails(*add, "nobody") == "unknown-service"


def test_decisions_are_in_force_at_once(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a command beside the server, and by the socket of the server itself."""
    with Link(service.url) as link:
        path = link.submit(release("1.0", "pulse").der(), ADA.signer)["path"]
        home = ("--home", str(service.world.home))
        assert main(["store", "quarantine", "pulse", "--reason", "", *home]) == 1
        assert capsys.readouterr().err.split(": ")[1] == "bad-reason"
        words = ("store", "quarantine", "pulse", "1.0", "--reason", "looked into")
        assert main([*words, "--home", str(service.world.home)]) == 0
        capsys.readouterr()
        assert code_of(partial(link.read, path)) == "quarantined"
        assert link.facts("v1/services/pulse.json")["releases"][0]["state"] == "quarantined"
        place = service.world.home / "admin"
        assert place.stat().st_mode & 0o777 == 0o600
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(place))) as client:
            body = {"service": "pulse", "version": "1.0", "reason": "nothing was found"}
            answer = client.post("http://admin/v1/admin/clear", json=body)
        assert answer.status_code == 200, answer.text
        assert package.parse(link.read(path)).proof
        change = service.world.store.changes()[-1]
        assert (change.kind, change.who) == ("release-cleared", f"local:{getpass.getuser()}")
        # Nobody else gets there: neither the API nor its description is on the public port.
        assert code_of(partial(link.read, "v1/admin/changes")) == "not-found"


def heard(stream: httpx.Response, until: int) -> list[dict[str, Any]]:
    """The events of a stream, up to the one with this index."""
    found: list[dict[str, Any]] = []
    for line in stream.iter_lines():
        if line.startswith("data: "):
            found.append(json.loads(line.removeprefix("data: ")))
            if found[-1]["index"] == until:
                break
    return found


def test_who_listens_gets_each_entry_and_goes_on_where_it_was_cut_off(service: Service) -> None:
    service.world.store.submit(release("1.0", "news"))
    with Link(service.url) as link:
        size = checkpoint.parse(link.read("log/checkpoint")).size
    listen = f"{service.base}/v1/events"
    with service.client.stream("GET", f"{listen}?since=0") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        first = heard(stream, size - 1)
        assert [one["index"] for one in first] == list(range(size))
    last = {"Last-Event-ID": str(size - 1)}
    with service.client.stream("GET", listen, headers=last) as stream:
        # Another process than the server seals the next one.
        sealed = service.world.store.submit(release("1.1", "news"))[1]
        (event,) = heard(stream, size)
    assert event["entry"]["kind"] == "release"
    assert (event["entry"]["service"], event["entry"]["version"]) == ("news", "1.1")
    assert event["entry"]["package"] == sealed.digest().hex()
    for given, code in (("x", "bad-request"), ("-1", "bad-request"), (size + 1, "no-such-entry")):
        answer = service.client.get(listen, headers={"Last-Event-ID": str(given)})
        assert answer.json()["code"] == code


def test_the_pages_of_the_process(service: Service) -> None:
    base = f"http://127.0.0.1:{service.pages}"
    service.post(b"x", {})
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{base}/livez").json() == {"status": "ok"}
        assert client.get(f"{base}/readyz").json()["status"] == "ok"
        assert client.get(f"{base}/health").json()["problems"] == []
        text = client.get(f"{base}/metrics").text
        rebound = client.get(f"{base}/health", headers={"Host": "evil.example"})
        assert rebound.status_code == 421
    assert 'triseal_store_answers_total{route="/v1/submissions",status="401"}' in text
    assert 'triseal_store_refusals_total{code="not-signed"}' in text
    assert 'triseal_store_developers{state="approved"}' in text
    assert 'triseal_store_problem{code="log-damaged"} 0.0' in text
    # They are not for everybody.
    assert service.client.get(f"{service.base}/metrics").status_code == 404
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(service.world.home / "admin"))) as own:
        assert own.get("http://admin/readyz").status_code == 200


def test_the_log_has_a_line_for_each_answer(service: Service) -> None:
    nasty = "/" + "%0a%22" * 200
    service.client.get(service.base + nasty)
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    answered = [line for line in lines if line["event"] == "answered"]
    assert {"method", "path", "status", "seconds", "address", "level"} <= answered[-1].keys()
    assert all(len(line["path"]) <= 200 for line in answered)


def test_anybody_audits_the_log(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> Any:
        assert main([*words, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    found = run("store", "audit", service.url)
    assert (found["backdated"], found["developer-approved"] > 0) == ([], True)
    certificate = str(tmp_path / "store.pem")
    run("store", "show", "--home", str(service.world.home), "--cert-out", certificate)
    local = ("store", "audit", str(service.world.home / "public/log"))
    assert run(*local, "--store-cert", certificate) == found


CLEO_KEY = signer.generate("p256")


def test_a_flood_of_developers_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_WAITING", 3)
    with World(tmp_path / "store") as world:  # Bob waits, and nobody knows from where he came
        api = server.Api(world.store, tmp_path, Metrics())
        requests = {
            name: request.make(KeySigner(signer.generate("p256")), name)
            for name in ("Dora", "Elli", "Fay", "Gil")
        } | {"Cleo": request.make(KeySigner(CLEO_KEY), "Cleo")}

        def register(name: str, address: str) -> list[str]:
            world.now += 1
            api._register(requests[name], address)
            return [one.name for one in world.store.developers() if one.state == "pending"]

        register("Cleo", "192.0.2.1")
        assert register("Dora", "192.0.2.2") == ["Bob", "Cleo", "Dora"]
        assert register("Dora", "192.0.2.1") == ["Bob", "Cleo", "Dora"]  # it is known
        assert register("Elli", "192.0.2.2") == ["Cleo", "Dora", "Elli"]
        assert register("Fay", "192.0.2.2") == ["Cleo", "Elli", "Fay"]  # of its own origin
        assert register("Gil", "192.0.2.2") == ["Cleo", "Fay", "Gil"]
        world.store.approve(fingerprint(KeySigner(CLEO_KEY).spki))
        assert register("Elli", "192.0.2.2") == ["Fay", "Gil", "Elli"]
        assert register("Dora", "192.0.2.2") == ["Gil", "Elli", "Dora"]
        states = {one.name: one.state for one in world.store.developers()}
        assert (states["Ada"], states["Cleo"]) == ("approved", "approved")
