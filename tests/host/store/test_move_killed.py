"""`store move` is killed while two server processes of one PostgreSQL database work on.

The move is a process of its own, which SIGKILL ends at a point of its way. Whatever a server has
answered before, meanwhile and afterwards is in the one log, and served where the files are then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from shutil import copytree

import httpx
import pytest

from tests.host.store.test_killed import VALID, check
from tests.host.store.test_store import ADA
from tests.worlds import bucket, postgres, seals, store_service
from tests.worlds.bucket import Server
from triseal import request
from triseal.bucket import Bucket, Place
from triseal.copies.answer import sealed_by
from triseal.keysource import NewKey
from triseal.package import Package
from triseal.store import authority
from triseal.store.pages import package_path
from triseal.store.store import Store, init
from triseal.storelink import Link

pytestmark = pytest.mark.long

# Kills its own process at the Nth call of a function, before it does anything.
KILLED = """
import os, signal, sys
from importlib import import_module
from triseal.cli.main import main

path, name, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
module, _, kind = path.partition(":")
owner = import_module(module)
owner = getattr(owner, kind) if kind else owner
real = getattr(owner, name)

def call(*given, **named):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)

setattr(owner, name, call)
sys.exit(main(sys.argv[4:]))
"""
# Where the move ends, and whether it is in force then.
POINTS = (
    ("the first copy", "triseal.store.moving:Move", "_copy", 3, False),
    ("before the last copy", "triseal.store.moving:Move", "copy", 1, False),
    ("before files are dropped", "triseal.store.moving:Move", "drop", 0, False),
    ("before the database says so", "triseal.store.places", "enter", 0, False),
    ("before the old bucket says so", "triseal.store.places", "leave", 0, True),
    ("before the home says so", "triseal.storage", "write_note", 0, True),
)


def versioned(number: int) -> Package:
    """A release with files of its own."""
    code = f"x = {number}\n".encode()
    return seals.package(ADA, version=f"1.{number}", executable=code, validity=VALID)


class Shop:
    """A Store on two computers, with what its servers have answered."""

    def __init__(self, top: Path, url: str, place: Place) -> None:
        self.homes = top / "one", top / "two"
        self.url = url
        self.answered: list[Package] = []
        self.servers: list[subprocess.Popen[str]] = []
        init(self.homes[0], "Shop", NewKey("p256"), VALID, bucket=place)
        with closing(self.open()) as store:
            store.approve(store.register(request.make(ADA.signer, "Ada")).fingerprint)
        copytree(*self.homes)

    def open(self) -> Store:
        return Store(self.homes[0], partial(authority.unlock, self.homes[0], bytes), self.url)

    def start(self, which: int) -> subprocess.Popen[str]:
        self.servers.append(store_service.start(self.homes[which], "--database", self.url))
        return self.servers[-1]

    def submit(self, server: str) -> None:
        """Let a server seal one more release."""
        given = versioned(len(self.answered))
        with Link(server) as link:
            self.answered.append(sealed_by(given, link.submit(given.der(), ADA.signer)))

    def check_served(self, server: str) -> None:
        """Check that a server has all that was answered."""
        base = server.partition("#")[0]
        with httpx.Client(trust_env=False, verify=False) as client:
            for one in self.answered:
                path = package_path(one.digest().hex())
                assert client.get(f"{base}/{path}").content == one.der()
            for row in client.get(f"{base}/v1/services/blink.json").json()["releases"]:
                assert client.get(base + row["path"]).status_code == 200

    def end(self) -> None:
        for one in self.servers:
            one.kill()
            one.wait(60)


@pytest.mark.parametrize("point", POINTS, ids=[row[0] for row in POINTS])
def test_a_killed_move_is_completed_by_the_same_command(
    tmp_path: Path,
    cluster: str,
    s3: Server,
    monkeypatch: pytest.MonkeyPatch,
    point: tuple[str, str, str, int, bool],
) -> None:
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    place, there = s3.place(), s3.place()
    shop = Shop(tmp_path, postgres.database(cluster), place)
    _, path, name, number, in_force = point
    words = ["store", "move", "--bucket", str(there), "--endpoint", there.endpoint]
    words += ["--home", str(shop.homes[0]), "--database", shop.url]
    try:
        old = shop.start(1)
        url = store_service.url_of(old)
        for _ in range(2):
            shop.submit(url)
        script = [sys.executable, "-c", KILLED, path, name, str(number), *words]
        assert subprocess.run(script, check=False, timeout=300).returncode == -signal.SIGKILL
        if not in_force:
            shop.submit(url)  # the Store is where it was, and nobody is kept waiting
            shop.check_served(url)
        subprocess.run([sys.executable, "-m", "triseal", *words], check=True, timeout=300)
        left = written(place)
        assert old.wait(300) == 1  # the server of the old place ends by itself
        new = store_service.url_of(shop.start(1))
        shop.submit(new)
        other = store_service.url_of(shop.start(0))
        shop.submit(other)
        for each in (new, other):
            shop.check_served(each)
        assert written(place) == left
        assert "store.moved" in left
        with closing(shop.open()) as store:
            assert store.files.where("") == f"{there}/"
            releases = [one.version for one in store.releases("blink")]
            assert releases == [f"1.{at}" for at in range(len(shop.answered))]
            check(store, shop.answered, each=len(shop.answered))
    finally:
        shop.end()


def written(place: Place) -> dict[str, bytes]:
    files = Bucket(place, Path(os.devnull))
    return {path: files.read(path, 1 << 25) for path in files.paths()}


def test_a_process_at_the_old_place_answers_that_it_was_moved(
    tmp_path: Path, cluster: str, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it has found out by itself: the database says so with the next request."""
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    place, there = s3.place(), s3.place()
    shop = Shop(tmp_path, postgres.database(cluster), place)
    slow = "import sys; from triseal.store.server import process; process._STAY_EVERY = 10**6;"
    slow += "from triseal.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", slow, "store", "serve", "--home", str(shop.homes[1])]
    command += ["--listen", "127.0.0.1:0", "--json", "--log-level", "error"]
    command += ["--database", shop.url]
    shop.servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    try:
        url = store_service.url_of(shop.servers[0])
        shop.submit(url)
        with closing(shop.open()) as store:
            store.move(there, lambda *_: None)
        left = written(place)
        with Link(url) as link, pytest.raises(Exception, match="no longer at") as refused:
            link.submit(versioned(1).der(), ADA.signer)
        assert getattr(refused.value, "code", "") == "store-moved"
        assert written(place) == left
        new = store_service.url_of(shop.start(0))
        shop.submit(new)
        shop.check_served(new)
    finally:
        shop.end()
