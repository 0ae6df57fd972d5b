"""Servers of a Store that are killed under load: no fork, no gap, no promise without its entry.

Two server processes share one database and one folder. Each is killed with SIGKILL while clients
submit, and a third one goes on. Everything that any of them has answered must be in the one log
that is there in the end, at the position that its proof says.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from queue import Empty, Queue

import pytest
from sqlalchemy import select

from tests.host.store.test_store import ADA, ADA_KEY, SECRET
from tests.worlds import bucket, postgres, seals, store_service
from triseal import database, request
from triseal.bucket import Place
from triseal.certificate import Validity
from triseal.copies.answer import sealed_by
from triseal.keysource import NewKey
from triseal.log import checkpoint, entry, merkle, proof
from triseal.log.checkpoint import Checkpoint
from triseal.log.writer import Folder
from triseal.package import Package
from triseal.signer import KeySigner
from triseal.store import authority
from triseal.store.journal import FOLDER
from triseal.store.store import Store, init
from triseal.store.tables import LOG
from triseal.storelink import Link, StoreUnreachable

VALID = Validity(int(time.time()) - 86400, int(time.time()) + 300 * 86400)
CLIENTS = 4
EACH = 4  # packages, each of a service of its own


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "store" / "store.sqlite")
        return
    yield postgres.database(request.getfixturevalue("cluster"))


class Load:
    """Clients that submit packages until all of them are answered.

    Args:
        packages: what they submit.
    """

    def __init__(self, packages: list[Package]) -> None:
        self._waiting: Queue[Package] = Queue()
        for one in packages:
            self._waiting.put(one)
        self.answered: list[Package] = []
        self._more = threading.Condition()

    def await_answers(self, number: int) -> None:
        """Wait until so many packages are answered."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.answered) >= number, 300)

    def run(self, url: str) -> None:
        """Submit to one server, until it is gone or nothing is left."""
        try:
            with Link(url) as link:
                while True:
                    self._submit(link)
        except (Empty, StoreUnreachable):
            return

    def _submit(self, link: Link) -> None:
        package = self._waiting.get_nowait()
        try:
            sealed = sealed_by(package, link.submit(package.der(), ADA.signer))
        except BaseException:
            self._waiting.put(package)
            raise
        with self._more:
            self.answered.append(sealed)
            self._more.notify_all()


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.long)])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place | None:
    """Where packages and log are; None for the home."""
    if request.param == "folder":
        return None
    server: bucket.Server = request.getfixturevalue("s3")
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    return server.place()


def test_what_a_killed_server_has_promised_is_in_the_log(
    tmp_path: Path, url: str, place: Place | None
) -> None:
    home = tmp_path / "store"
    init(home, "Shop", NewKey("p256"), VALID, bucket=place)
    with closing(Store(home, lambda: authority.unlock(home, lambda: SECRET), url)) as store:
        known = store.register(request.make(KeySigner(ADA_KEY), "Ada"))
        store.approve(known.fingerprint)
        packages = [
            seals.package(ADA, f"service-{at}", version="1", validity=VALID)
            for at in range(CLIENTS * EACH)
        ]
        load = Load(packages)
        servers = [store_service.start(home, "--database", url) for _ in range(2)]
        try:
            urls = [store_service.url_of(one) for one in servers]
            with ThreadPoolExecutor(CLIENTS) as pool:
                for at in range(CLIENTS):
                    pool.submit(load.run, urls[at % 2])
                for at, process in enumerate(servers):
                    load.await_answers((at + 1) * EACH)
                    process.send_signal(signal.SIGKILL)
            servers.append(store_service.start(home, "--database", url))
            load.run(store_service.url_of(servers[2]))
        finally:
            for process in servers:
                process.kill()
                process.wait(20)
        assert len(load.answered) == len(packages)
        check(store, load.answered)


def check(store: Store, answered: list[Package], each: int = 1) -> None:
    """Check all promises against the one log that is there.

    Args:
        store: the Store.
        answered: what it has promised.
        each: number of releases of each service.
    """
    folder = Folder(store.files.below(FOLDER))
    head = checkpoint.parse(folder.head() or b"")
    assert head.note.check([store.log_key])
    leaves: list[bytes] = []
    for index in range(-(-head.size // 256)):
        leaves += folder.entries(index, head.size)
    assert merkle.fold([merkle.leaf(one) for one in leaves]) == head.root
    with database.reading(store._engine) as connection:
        rows = connection.execute(select(LOG).order_by(LOG.c.position)).all()
    assert [row.position for row in rows] == list(range(head.size))
    assert [bytes(row.leaf) for row in rows] == leaves
    tree = folder.tree(head.size)
    heads: dict[int, Checkpoint] = {}
    for one in answered:
        found = proof.parse(one.proof)
        assert found.checkpoint.note.check([store.log_key])
        found.check_path()
        assert leaves[found.index] == found.leaf
        assert entry.parse(found.leaf).package == one.digest()
        same = heads.setdefault(found.checkpoint.size, found.checkpoint)
        assert same.root == found.checkpoint.root
    for size, made in heads.items():
        hashes = merkle.consistency(size, head.size, tree.complete)
        merkle.check_consistency(size, head.size, hashes, made.root, head.root)
    sealed = Counter(entry.parse(one).service for one in leaves if entry.parse(one).service)
    assert set(sealed.values()) == {each}  # what was submitted again has no second entry
    assert len(sealed) * each == len(answered)
