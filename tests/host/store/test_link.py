"""The client of a Store's server: servers that cheat, and servers that never end."""

from __future__ import annotations

import base64
import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealcore import x509
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import certificate, pem, signer, storelink
from triseal.certificate import Validity
from triseal.cli import site_trust
from triseal.copies import storefiles
from triseal.errors import BadAnswer
from triseal.log import endorsement, note
from triseal.request import fingerprint
from triseal.signer import KeySigner
from triseal.stop import Stop
from triseal.store.server import identity
from triseal.storelink import Link

LOG = Ed25519PrivateKey.generate()
VALID = Validity(seals.NOW - 86400, 2_600_000_000)


class Shop:
    """The key of a Store and its certificate."""

    def __init__(self) -> None:
        self.signer = KeySigner(signer.generate("p256"))
        self.der = certificate.self_signed_ca(self.signer, "Shop", VALID)
        self.text = pem.encode(pem.CERTIFICATE, self.der).decode()
        self.fingerprint = fingerprint(self.signer.spki)


GENUINE, EVIL = Shop(), Shop()


@contextmanager
def served(*certificates: str, tls: Path | None = None, **more: object) -> Iterator[str]:
    """A server that shows one certificate after the other, and then the last one; its URL."""
    left = list(certificates)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown = left.pop(0) if len(left) > 1 else left[0]
            data = json.dumps({"certificate": shown, **more}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{server.server_port}#{GENUINE.fingerprint}"
        server.shutdown()


def tls_of(shop: Shop, folder: Path) -> Path:
    own = x509.parse(shop.der)
    return identity.make(folder, shop.signer, own, ["127.0.0.1"], seals.NOW)


@pytest.mark.parametrize("secure", [False, True])
def test_each_certificate_that_is_read_has_the_key_of_the_url(tmp_path: Path, secure: bool) -> None:
    tls = tls_of(GENUINE, tmp_path) if secure else None
    with served(GENUINE.text, EVIL.text, tls=tls) as url, Link(url, reading=True) as link:
        for read in (
            link.about,
            partial(link.read, storefiles.STORE),
            partial(link.facts, "/" + storefiles.STORE),
            partial(storefiles.facts, link, storefiles.STORE),
        ):
            assert code_of(read) == "other-fingerprint"
    with served(GENUINE.text, tls=tls) as url, Link(url, reading=True) as link:
        assert link.about()["certificate"] == GENUINE.text


def test_a_site_trusts_no_other_key_than_that_of_the_url() -> None:
    named = endorsement.make(GENUINE.signer, note.Signer("shop/log", note.LOG, LOG).key)
    foreign = endorsement.make(EVIL.signer, note.Signer("shop/log", note.LOG, LOG).key)
    for wrong in (named + "\n" + EVIL.text, "\n" + named, foreign, "YQ==", "", None, 5, [named]):
        with served(GENUINE.text, log_endorsement=wrong) as url:
            assert code_of(partial(site_trust._read, url)) == "bad-log-data", wrong
    with served(GENUINE.text) as url:  # then the site would want no proofs of a log
        assert code_of(partial(site_trust._read, url)) == "bad-log-data"
    with served("Shop\n" + GENUINE.text, log_endorsement=named) as url:
        data, der = site_trust._read(url)
        assert (endorsement.of_file(data), der) == (named, GENUINE.der)
        assert code_of(partial(site_trust._read, url.partition("#")[0])) == "bad-url"
        assert code_of(partial(site_trust._read, url.partition("#")[0] + "#")) == "bad-url"
    with served(GENUINE.text, EVIL.text) as url:
        assert code_of(partial(site_trust._read, url)) == "other-fingerprint"


def hidden(shop: Shop) -> str:
    """A block that OpenSSL sees: it cuts lines after 254 characters."""
    body = base64.b64encode(shop.der).decode()
    body += " " * (-len(body) % 254)
    return f"{'#' * 254}-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


def test_only_the_certificate_that_was_compared_is_trusted(tmp_path: Path) -> None:
    both = GENUINE.text + hidden(EVIL)
    seen = ssl.create_default_context(cadata=both).get_ca_certs(binary_form=True)
    assert seen == [GENUINE.der, EVIL.der]  # so a Link must not give this text to OpenSSL
    with served(both, tls=tls_of(EVIL, tmp_path)) as url:
        assert code_of(partial(Link, url)) == "bad-answer"
    with served("Shop\n" + GENUINE.text, tls=tls_of(EVIL, tmp_path)) as url, Link(url) as link:
        assert link._pinned().get_ca_certs(binary_form=True) == [GENUINE.der]
        assert code_of(link.about) == "store-unreachable"


FOREVER: dict[str, tuple[bytes, bytes]] = {
    "headers": (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "early answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a"),
}
PIECES = 4000  # for 20 s at least, unless the client goes


class Slow:
    """A server that sends pieces without an end, or takes a request slowly if there are none."""

    def __init__(self, listener: socket.socket, first: bytes, piece: bytes) -> None:
        self.over = threading.Event()
        self.has_served_all = False
        self._listener, self._first, self._piece = listener, first, piece

    def run(self) -> None:
        connection, _ = self._listener.accept()
        with connection, suppress(OSError):
            connection.recv(1000)
            connection.sendall(self._first)
            for _ in range(PIECES):
                if self._piece:
                    connection.sendall(self._piece)
                else:
                    connection.recv(1000)
                if self.over.wait(0.005):
                    return
            self.has_served_all = True


@pytest.mark.parametrize("what", [*FOREVER, "a request"])
def test_a_call_ends_whatever_the_server_does(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storelink, "_SECONDS", 60.0)  # each step may last long, but not the call
    monkeypatch.setattr(storelink, "_LONGEST", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Slow(listener, *FOREVER.get(what, (b"", b"")))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        with Link(f"http://127.0.0.1:{listener.getsockname()[1]}", reading=True) as link:
            call: Callable[[], object] = partial(link.read, "v1/index.json")
            if what == "a request":
                call = partial(link.register, b" " * (1 << 24))
            assert code_of(call) == "store-unreachable"
        assert not server.has_served_all
        server.over.set()
        thread.join(60)


def known_as(monkeypatch: pytest.MonkeyPatch, port: int | None, addresses: list[str]) -> None:
    """Let the host shop.example have some addresses."""

    def look_up(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        found = addresses if host == "shop.example" else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_all_addresses_of_a_host_have_the_time_of_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storelink, "_LONGEST", 0.5)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as full:
        place = listener.getsockname()
        for _ in range(4):  # more than it takes: it does not answer any more
            one = full.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(place)
        known_as(monkeypatch, place[1], ["127.0.0.1"] * 200)
        begin = time.monotonic()
        with Link(f"http://shop.example:{place[1]}", reading=True) as link:
            assert code_of(link.about) == "store-unreachable"
        assert time.monotonic() - begin < 50  # 200 times half a second is more


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(GENUINE.text) as url:
        port = urlsplit(url).port
        known_as(monkeypatch, port, ["127.0.0.2", "127.0.0.1"])  # the server has only the second
        with Link(f"http://shop.example:{port}", reading=True) as link:
            assert link.about()["certificate"] == GENUINE.text


def test_all_calls_of_a_link_have_one_end() -> None:
    with served(GENUINE.text) as url, ExitStack() as stack:
        plain = url.partition("#")[0]  # then only the calls below are made
        link = stack.enter_context(Link(plain, reading=True, seconds=0.5))
        patience = time.monotonic() + 60
        while code_of(link.about) == "":  # each call alone has much more time
            assert time.monotonic() < patience
        assert code_of(link.about) == "store-unreachable"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_another_thread_ends_a_call(scheme: str) -> None:
    stop = Stop()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        said: list[str] = []
        with Link(url, reading=True, stop=stop) as link:
            waiting = threading.Thread(target=lambda: said.append(code_of(link.about)))
            waiting.start()
            with silent.accept()[0] as connection:
                assert connection.recv(1)  # the request, or the beginning of TLS
                stop.end()
                waiting.join(60)
            assert said == ["store-unreachable"]
            assert code_of(link.about) == "store-unreachable"  # and no later one begins
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()


@contextmanager
def answering(said: object) -> Iterator[Link]:
    """A link to a server that answers everything with one page."""

    class Everything(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            data = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Everything) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with Link(f"http://127.0.0.1:{server.server_port}", reading=True) as link:
            yield link
        server.shutdown()


STRANGE: tuple[object, ...] = (None, 5, True, 1.5, {}, [5], [None], "x" * 129, "")


@pytest.mark.parametrize("said", STRANGE)
def test_answers_of_another_form_are_named(said: object) -> None:
    with answering({"witnesses": said, "nonce": said}) as link:
        assert code_of(partial(link.cosign, b"note")) == "bad-answer"
        assert code_of(partial(link.submit, b"package", GENUINE.signer)) == "bad-answer"
    with answering(said) as link:
        assert code_of(partial(link.cosign, b"note")) == "bad-answer"


def test_a_server_is_told_no_cookies() -> None:
    seen: list[str | None] = []

    class Baker(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("cookie"))
            self.send_response(200)
            self.send_header("set-cookie", f"a{len(seen)}=1; Path=/")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Baker) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with Link(f"http://127.0.0.1:{server.server_port}", reading=True) as link:
            assert [link.facts("v1/index.json") for _ in range(3)] == [{}, {}, {}]
            assert not list(link._client.cookies.jar)
        server.shutdown()
    assert seen == [None, None, None]


def test_a_page_of_many_values_or_a_long_certificate_is_refused() -> None:
    data = b'{"a": [' + b"[]," * 1_050_000 + b"0]}"
    with pytest.raises(BadAnswer, match="more than 1048576 values"):
        storefiles.parsed("a page", data)
    long = GENUINE.text + " \n" * pem.MAX_SIZE
    assert code_of(partial(certificate.opened, long)) == "bad-answer"
    assert certificate.opened("\n" * 20_000 + GENUINE.text)[0] == GENUINE.der


def test_halves_of_characters_are_no_text() -> None:
    for data in (
        rb'{"a": "\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        rb'{"\udfff": 1}',
        b'{"a": "\xff"}',
    ):
        assert code_of(partial(storefiles.parsed, "a page", data)) == "bad-answer", data
    assert storefiles.parsed("a page", rb'{"a": "\ud83d\ude00\u00e9"}') == {"a": "\U0001f600é"}
