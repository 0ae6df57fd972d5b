"""Pages for people: what they say, that nothing of a stranger is more than text, and the policy."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tests import needs
from tests.host.store.test_store import ADA_KEY, World
from tests.worlds import seals
from triseal import request, signer
from triseal.signer import KeySigner
from triseal.store.changes import Why
from triseal.store.server import people

NASTY = "</p><script>alert(1)</script><b onload='x'>&amp;\"{{7*7}}"
NASTY_KEY = signer.generate("p256")
Get = Callable[[str], httpx.Response]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("people") / "store") as made:
        nasty = made.store.register(request.make(KeySigner(NASTY_KEY), NASTY))
        made.store.approve(nasty.fingerprint)
        mallory = seals.developer(NASTY, NASTY_KEY)
        made.store.submit(seals.package(mallory, "trap", version="1.0"))
        ada = seals.developer("Ada", ADA_KEY)
        for service, version in (("blink", "1.0"), ("blink", "1.1"), ("lamp", "2"), ("siren", "3")):
            made.store.submit(seals.package(ada, service, version=version))
        made.store.withdraw("blink", "1.1", Why(NASTY, "Eve"))
        made.store.quarantine("siren", "", Why("looked into", "Eve"))
        made.store.archive("lamp", Why("no longer made", "Eve"))
        yield made


@pytest.fixture(scope="module")
def get(world: World) -> Get:
    made = FastAPI()
    people.install(made, people.People(world.store))

    async def send(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(made)
        async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
            return await client.get(path)

    return lambda path: asyncio.run(send(path))


class Seen(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.text += " "
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, _: str) -> None:
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


def paths(world: World) -> list[str]:
    own = [one.fingerprint for one in world.store.developers() if one.approved_at is not None]
    return [
        "/",
        "/search?q=",
        "/search?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/services/trap",
        "/services/trap/1.0",
        "/services/blink",
        "/services/blink/1.1",
        "/services/lamp",
        "/services/siren",
        "/services/siren/3",
        "/services/%3Cscript%3E",
        f"/services/{'x' * 3000}",
        "/services/blink/%3Cscript%3E",
        "/developers/%3Cscript%3E",
        *[f"/developers/{one}" for one in own],
    ]


def test_what_strangers_write_stays_text(world: World, get: Get) -> None:
    shown = 0
    for path in paths(world):
        answer = get(path)
        page = Seen(answer.text)
        assert not page.tags & {"script", "style", "img", "iframe", "object", "b"}, path
        for name, value in page.attributes:
            assert not name.startswith("on"), path
            assert name != "style"
            if name in ("href", "action", "src"):
                assert re.fullmatch(r"/[\w./?=%-]*", value), (path, value)
        shown += NASTY in page.text
        assert "49" not in page.text.partition("{{")[0][-5:], path  # no template in a template
    assert shown >= 5


def test_each_page_forbids_all_but_its_own_style(world: World, get: Get) -> None:
    for path in [*paths(world), "/style.css"]:
        headers = get(path).headers
        policy = headers["content-security-policy"].split("; ")
        assert policy[:2] == ["default-src 'none'", "style-src 'self'"]
        assert not re.search("unsafe|https?:|\\*", headers["content-security-policy"])
        assert headers["x-content-type-options"] == "nosniff"
    assert get("/style.css").headers["content-type"].startswith("text/css")


def text(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", Seen(answer.text).text)


def test_a_service_has_its_releases_states_reasons_and_the_owners_other_services(
    get: Get,
) -> None:
    said = text(get("/services/blink"))
    assert "1.0 listed" in said
    assert "1.1 withdrawn since 2" in said
    assert "(decided by Eve )" in said
    assert "lamp Ada archived" in said.partition("Other services")[2]
    assert "no longer made" in text(get("/services/lamp"))
    assert "quarantined since" in text(get("/services/siren"))


def test_a_release_says_who_signed_and_carries_the_proof(world: World, get: Get) -> None:
    said = text(get("/services/blink/1.0"))
    _, package = world.store.get("blink", "1.0")
    assert request.fingerprint(KeySigner(ADA_KEY).spki) in said
    assert package.digest().hex() in said
    assert re.sub(r"\s+", " ", package.proof) in said
    assert package.digest().hex() not in text(get("/services/siren/3"))


def test_search_finds_services_by_their_name_and_their_owner(get: Get) -> None:
    for query, found in (("BLI", ["blink"]), ("ada", ["blink", "lamp", "siren"]), ("zzz", [])):
        links = [value for name, value in Seen(get(f"/search?q={query}").text).attributes]
        assert [one for one in links if one.startswith("/services/")] == [
            f"/services/{one}" for one in found
        ]


def test_strangers_who_wait_are_not_shown(world: World, get: Get) -> None:
    answer = get(f"/developers/{world.bob.fingerprint}")
    assert answer.status_code == 404
    assert "unknown-developer" in answer.text
    assert "Bob" not in answer.text


def test_what_is_not_there_is_said_to_people(get: Get) -> None:
    for path in ("/services/nobody", "/services/blink/9", "/services/..%2fx", "/developers/0"):
        answer = get(path)
        assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html")


def test_a_browser_shows_the_pages_without_a_script(world: World, get: Get, tmp_path: Path) -> None:
    if reason := needs.chromium():
        pytest.skip(reason)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = get(self.path)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            base = f"http://127.0.0.1:{server.server_address[1]}"
            page = browse(tmp_path, f"{base}/services/trap", "--dump-dom").decode()
            browse(tmp_path, f"{base}/services/blink", f"--screenshot={tmp_path / 'shot.png'}")
        finally:
            server.shutdown()
    seen = Seen(page)
    assert "script" not in seen.tags
    assert NASTY in seen.text
    assert (tmp_path / "shot.png").stat().st_size > 5000


def browse(folder: Path, url: str, *words: str) -> bytes:
    """What a browser says of a page."""
    command = [str(shutil.which("chromium")), "--headless", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"]
    done = subprocess.run([*command, *words, url], check=True, capture_output=True, timeout=240)
    return done.stdout
