"""Nonces of signed requests: each is good once, whichever server process gets the request."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
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
from triseal.database import reading, writing
from triseal.keysource import NewKey
from triseal.signedrequest import Wanted
from triseal.store import authority
from triseal.store.server import nonces
from triseal.store.server.nonces import MOST_OF_KEY, SECONDS, Nonces
from triseal.store.store import Store, init
from triseal.store.tables import NONCES

_SOON = 0.5  # seconds in which who does not wait has been
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
        for turn in range(1, 4):
            now = 1000 + turn * (1 + SECONDS)
            made.use(made.make(now), KEY, now)
        assert rows(store) == 2  # those of earlier turns are forgotten, as nobody takes them


# What the clock shows, one after the other, after a nonce was made and used at 1000.
STEPS = (
    ("it goes on", [1001, 1200, 1300]),
    ("it goes on for long", [1000 + at * 100 for at in range(20)]),
    ("it jumps ahead and back", [90_000, 1001]),
    ("it jumps ahead for a while, and back", [90_000, 90_200, 90_400, 90_900, 91_500, 1100]),
    ("it jumps ahead and back twice", [90_000, 1001, 90_000, 1002]),
    ("it jumps further ahead each time", [2000, 1001, 5000, 1002, 90_000, 1003]),
    ("it jumps back and ahead", [10, 1001]),
    ("it jumps back for a while, and ahead", [10, 200, 400, 800, 1000, 1300]),
    ("it turns a second before the end", [1000 + SECONDS, 1001 + SECONDS, 1000 + SECONDS]),
    ("it flaps", [500, 1000] * 6),
)


@pytest.mark.parametrize(("sentence", "steps"), STEPS, ids=[row[0] for row in STEPS])
def test_no_step_of_the_clock_makes_a_used_nonce_good_again(
    home: Path, sentence: str, steps: list[int]
) -> None:
    with closing(opened(home, None)) as store:
        made = Nonces(store)
        used = made.make(1000)
        made.use(used, KEY, 1000)
        for at, now in enumerate(steps):
            assert code_of(partial(made.use, used, KEY, now)) == "not-signed", (sentence, at)
            fresh = made.make(now)
            made.use(fresh, OTHER, now)  # and nobody is refused for what the clock has done
            assert code_of(partial(made.use, fresh, OTHER, now)) == "not-signed"
            assert code_of(partial(made.use, used, KEY, now)) == "not-signed", (sentence, at)
            assert code_of(partial(made.use, used, KEY, 1000)) == "not-signed", (sentence, at)


def test_whoever_waits_while_a_turn_ends_takes_no_nonce_again(home: Path, cluster: str) -> None:
    """The old row is gone only when nobody can insert it again."""
    url = postgres.database(cluster)
    with closing(opened(home, url)) as store, ThreadPoolExecutor() as pool:
        made = Nonces(store)
        used = made.make(1000)
        made.use(used, KEY, 1000)
        with writing(store.engine) as connection:
            for now in (2000, 1000):  # ahead and back: two turns
                nonces._begun(connection, now)
            replay = pool.submit(code_of, partial(made.use, used, KEY, 1000))
            done, _ = wait([replay], _SOON)
            assert not done or replay.result() == "not-signed"
        assert replay.result() == "not-signed"
        assert rows(store) == 0


def test_a_restored_database_takes_no_nonce_of_before(home: Path) -> None:
    with closing(opened(home, None)) as store:
        made = Nonces(store)
        used = made.make(1000)
        store.accept_restored()
        assert code_of(partial(made.use, used, KEY, 1000)) == "not-signed"
        made.use(Nonces(store).make(1000), KEY, 1000)


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
        made.use(made.make(1000), OTHER, 1000)
        later = 1001 + SECONDS
        made.use(made.make(later), KEY, later)


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
        client = opens.enter_context(httpx.Client(trust_env=False, timeout=240))
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
