"""Nonces of signed requests: each is good once, whichever server process gets the request."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from tests.host.store.test_store import ADA
from tests.worlds import postgres, seals, store_service
from tests.worlds.site_world import code_of
from triseal import request, signedrequest
from triseal.certificate import Validity
from triseal.database import reading
from triseal.keysource import NewKey
from triseal.signedrequest import Wanted
from triseal.store import authority
from triseal.store.server import nonces
from triseal.store.server.nonces import MOST_OF_KEY, SECONDS, Nonces
from triseal.store.store import Store, init
from triseal.store.tables import NONCES

KEY, OTHER = "a" * 64, "b" * 64
VALID = Validity(int(time.time()) - 86400, int(time.time()) + 300 * 86400)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    init(tmp_path / "store", "Shop", NewKey("p256"), seals.LONG)
    return tmp_path / "store"


def opened(home: Path, url: str | None) -> Store:
    return Store(home, partial(authority.unlock, home, bytes), url)


def rows(store: Store) -> int:
    with reading(store.engine) as connection:
        return connection.execute(select(func.count()).select_from(NONCES)).scalar_one()


def test_nonces_end(home: Path, url: str | None) -> None:
    with closing(opened(home, url)) as store:
        made = Nonces(store)
        first, second = made.make(1000), made.make(1000)
        made.use(first, KEY, 1000 + SECONDS)
        for nonce, now in (
            (first, 1000),
            (second, 1001 + SECONDS),
            (second, 999),
            ("", 0),
            ("1..", 1),
            (second + "0", 1000),
            ("9" + second, 1000),
        ):
            assert code_of(partial(made.use, nonce, KEY, now)) == "not-signed"
        assert rows(store) == 1
        made.use(second, KEY, 1000)
        later = made.make(1002 + SECONDS)
        made.use(later, KEY, 1002 + SECONDS)
        assert rows(store) == 1  # those that are too old are forgotten, as nobody takes them


def test_of_two_processes_one_takes_a_nonce(home: Path, url: str | None) -> None:
    with closing(opened(home, url)) as one, closing(opened(home, url)) as other:
        two = Nonces(one), Nonces(other)
        for turn in range(4):
            nonce = two[turn % 2].make(1000)
            begin = threading.Barrier(2)

            def use(which: int, nonce: str = nonce, begin: threading.Barrier = begin) -> str:
                begin.wait(20)
                return code_of(partial(two[which].use, nonce, KEY, 1000))

            with ThreadPoolExecutor() as pool:
                assert sorted(pool.map(use, (0, 1))) == ["", "not-signed"]
    with closing(opened(home, url)) as again:  # nor does a process that starts afterwards
        assert code_of(partial(Nonces(again).use, nonce, KEY, 1000)) == "not-signed"


def test_of_two_stores_neither_takes_the_nonces_of_the_other(home: Path, tmp_path: Path) -> None:
    init(tmp_path / "other", "Other", NewKey("p256"), seals.LONG)
    with closing(opened(home, None)) as one, closing(opened(tmp_path / "other", None)) as other:
        nonce = Nonces(one).make(1000)
        assert code_of(partial(Nonces(other).use, nonce, KEY, 1000)) == "not-signed"


def test_what_is_kept_of_a_key_is_bounded(
    home: Path, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_OF_KEY == 600
    monkeypatch.setattr(nonces, "MOST_OF_KEY", 2)
    with closing(opened(home, url)) as store:
        made = Nonces(store)
        for _ in range(2):
            made.use(made.make(1000), KEY, 1000)
        assert code_of(partial(made.use, made.make(1000), KEY, 1000)) == "too-many-requests"
        made.use(made.make(1000), OTHER, 1000)
        later = 1001 + SECONDS
        made.use(made.make(later), KEY, later)
        assert rows(store) == 1


def test_a_request_is_taken_once_by_two_servers(home: Path, cluster: str) -> None:
    """Two real processes; the nonce is of one of them, and the request goes to both."""
    url = postgres.database(cluster)
    with closing(opened(home, url)) as store:
        store.approve(store.register(request.make(ADA.signer, "Ada")).fingerprint)
        own = request.fingerprint(store.certificate.spki)
    data = seals.package(ADA, validity=VALID).der()
    words = ["--behind-proxy", "--database", url]
    with ExitStack() as opens:
        started = [store_service.start(home, *words) for _ in range(2)]
        for one in started:
            opens.enter_context(one)
            opens.callback(one.terminate)
        urls = [store_service.url_of(one) for one in started]
        client = opens.enter_context(httpx.Client(trust_env=False, timeout=60))
        nonce = client.get(f"{urls[0]}/v1/nonce").json()["nonce"]
        digest = hashlib.sha256(data).digest()
        wanted = Wanted(own, "POST", "/v1/submissions", digest, int(time.time()), nonce)
        headers = {
            signedrequest.KEY: request.fingerprint(ADA.signer.spki),
            signedrequest.REQUEST: wanted.sign(ADA.signer),
        }

        def send(to: str) -> tuple[int, str]:
            answer = client.post(f"{to}/v1/submissions", content=data, headers=headers)
            return answer.status_code, str(answer.json().get("code", ""))

        with ThreadPoolExecutor() as pool:
            found = sorted(pool.map(send, urls))
        assert found == [(200, ""), (401, "not-signed")]
        assert send(urls[1]) == send(urls[0]) == (401, "not-signed")
