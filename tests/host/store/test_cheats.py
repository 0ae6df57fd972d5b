"""A Store that cheats, with its own keys and as real processes: each cheat is refused or proved.

The clients are commands in processes of their own. What they find is verified by a third party,
who has the evidence and the Store's file with its public keys, and asks nobody. And the other way
round: a Store that is killed, cut off and restored from a backup gives no evidence against itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.host.commands import SERVICE, Commands, _prepared, empty, settled
from tests.worlds import store_service
from tests.worlds.ports import quiet_port
from tests.worlds.waiting import looks
from triseal import storage
from triseal.developer import home as developers
from triseal.errors import NoContradiction
from triseal.log import checkpoint, forks, key, note
from triseal.log.checkpoint import Checkpoint
from triseal.log.entry import parse
from triseal.log.writer import Folder
from triseal.package import Package, read
from triseal.store import authority
from triseal.store.changes import Why
from triseal.store.journal import FOLDER, KEY
from triseal.store.store import DATABASE, Store
from triseal.storelink import Link

__all__ = ["_prepared", "empty", "settled"]

pytestmark = pytest.mark.long

_DAY = 86400


class Town:
    """A developer, a site, and a Store whose server is a process, which may be another one later.

    Attributes:
        store: home of the honest Store.
        url: address at which the Store or a cheat in its place answers.
    """

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self.folder = commands.folder
        self.store = Path(os.environ["TRISEAL_HOME"]) / "store"
        self.port = quiet_port()
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def serve(self, home: Path) -> None:
        """Let the Store of a home be the one at the URL."""
        self.end()
        words = ("--listen", f"127.0.0.1:{self.port}")
        self._process = store_service.start(home, *words)
        self.url = store_service.url_of(self._process)

    def end(self) -> None:
        """Kill the server, if there is one."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(60)
            self._process = None

    def sign(self, version: str) -> Path:
        """Sign a release."""
        app, metadata = self.folder / "app.py", self.folder / "app.json"
        app.write_text(f"{SERVICE}\nVERSION = {version!r}\n", encoding="utf-8")
        metadata.write_text('{"capabilities": ["log"]}', encoding="utf-8")
        out = f"thermo-{version}.triseal"
        words = ("--version", version, "--security-version", "1", "--metadata", "app.json")
        self.commands.run("dev", "sign", "app.py", "--name", "thermo", *words, "--out", out)
        return self.folder / out

    def upload(self, version: str) -> None:
        """Sign a release, and let the Store seal it."""
        path = self.sign(version)
        self.commands.run("dev", "upload", str(path), "--store", self.url)

    def copy(self, name: str) -> Path:
        """Copy the Store as it is, with its keys."""
        return Path(shutil.copytree(self.store, self.folder / name))

    def opened(self, home: Path, ahead: int = 0) -> Store:
        """Open a Store whose clock is wrong by some seconds."""

        def clock() -> int:
            return int(time.time()) + ahead

        return Store(home, partial(authority.unlock, home, bytes), clock=clock)

    def client(self, *words: str) -> tuple[int, str, str]:
        """Run a command in a process of its own: its status, its output, and what it complains."""
        command = [sys.executable, "-m", "triseal", *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout, done.stderr

    def watch(self) -> str:
        """Let the developer look at the Store: the code of what she is told, or ""."""
        status, _, said = self.client("dev", "watch", self.url, "--once")
        assert bool(status) == bool(said), said
        return said.split(": ")[1] if said else ""

    def follow(self) -> str:
        """Let the site look for releases: the trouble that it has, or ""."""
        self.client("site", "follow", "--check")
        (row,) = json.loads(self.client("site", "follow", "--json")[1])
        return str(row["trouble"] or "").partition(":")[0]

    def new_site(self, name: str) -> str:
        """Make another site that trusts the Store and the developer, and has seen no log."""
        home = str(self.folder / f"site-{name}")
        for words in (
            ("init", "other", "--no-passphrase", "--algorithm", "p256"),
            ("trust-store", "store.pem"),
            ("trust-developer", "ada.pem"),
        ):
            self.commands.run("site", *words, "--home", home)
        return home

    def evidence(self) -> list[Path]:
        """All evidence that anybody here has found."""
        top = Path(os.environ["TRISEAL_HOME"])
        folders = (top / "dev" / "watched", top / "site" / "logs")
        return [path for one in folders for path in one.glob("*evidence")]


@pytest.fixture
def town(settled: Commands) -> Iterator[Town]:
    made = Town(settled)
    try:
        made.serve(made.store)
        made.upload("1.0.0")
        made.upload("1.1.0")
        settled.run("store", "show", "--cert-out", "store.pem")  # now it names the log, too
        settled.run("site", "trust-store", "store.pem")
        status, _, said = made.client("site", "follow", made.url, "thermo")
        assert status == 0, said
        assert made.watch() == ""
        yield made
    finally:
        made.end()


def check_proved(town: Town, number: int) -> None:
    """A third party verifies each piece of evidence, with the Store's public keys and no more."""
    found = town.evidence()
    assert len(found) == number, found
    alone = town.folder / "third-party"
    alone.mkdir()
    shutil.copy("store.pem", alone)
    surroundings = {"PATH": os.environ["PATH"], "TRISEAL_HOME": str(alone / "none")}
    for path in found:
        shutil.copy(path, alone / "case.evidence")
        words = ["evidence", "check", "case.evidence", "--store-cert", "store.pem", "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "triseal", *words],
            cwd=alone, env=surroundings, check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        facts = json.loads(done.stdout)
        assert (facts["proven"], facts["kind"], facts["role"]) == (True, "forked", "log")
    assert not (alone / "none").exists()


# Another history of the same Store.


def without_the_withdrawal(_: Path) -> None:
    """Leave the copy as it was before."""


def rewritten(home: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Let a Store make its log again from other entries, and forget that it had others."""
    with closing(sqlite3.connect(home / DATABASE)) as connection, connection:
        rows = connection.execute("SELECT * FROM log ORDER BY position").fetchall()
        by_leaf = {bytes(row[1]): row for row in rows}
        connection.execute("DELETE FROM log")
        for at, leaf in enumerate(change([bytes(row[1]) for row in rows])):
            known = by_leaf.get(leaf) or rows[at]
            values = (at, leaf, *known[2:])
            connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", values)
    shutil.rmtree(home / "public")
    (home / "store.mark").unlink()


def dropped(home: Path) -> None:
    """Drop the entry of the first release."""
    rewritten(home, lambda leaves: leaves[:1] + leaves[2:])


def backdated(home: Path) -> None:
    """Say another time of the first release."""

    def change(leaves: list[bytes]) -> list[bytes]:
        said = parse(leaves[1])
        return [leaves[0], replace(said, time=said.time - 30 * _DAY).der(), *leaves[2:]]

    rewritten(home, change)


HISTORIES = (without_the_withdrawal, dropped, backdated)


@pytest.mark.parametrize("cheat", HISTORIES, ids=[one.__name__ for one in HISTORIES])
def test_another_history_is_proved(town: Town, cheat: Callable[[Path], None]) -> None:
    before = town.copy("before")
    town.commands.run("store", "withdraw", "thermo", "1.1.0", "--reason", "a bug")
    other = before if cheat is without_the_withdrawal else town.copy("other")
    cheat(other)
    assert (town.watch(), town.follow()) == ("", "")
    town.serve(other)
    if cheat is not backdated:
        assert (town.watch(), town.follow()) == ("log-stale", "log-stale")
        assert not town.evidence()
        town.upload("1.2.0")  # it goes on, so that it is as long as what was seen
    assert town.watch() == "log-forked"
    assert town.follow() == "log-forked"
    check_proved(town, 2)


def test_a_page_that_takes_a_withdrawal_back_is_refused(town: Town) -> None:
    town.commands.run("store", "withdraw", "thermo", "1.1.0", "--reason", "a bug")
    assert town.follow() == ""
    path = town.store / "public" / "v1" / "services" / "thermo.json"
    page: dict[str, Any] = json.loads(path.read_text())
    good = path.read_bytes()
    for change in ("state", "drop"):
        rows = [dict(row) for row in page["releases"]]
        if change == "state":
            rows[1]["state"] = "listed"
        else:
            del rows[0]
        path.write_text(json.dumps(page | {"releases": rows}))
        assert town.follow() == "page-differs", change
        # Nor is a site misled that has never seen the Store: the log counts, and not the page.
        more = ("--store", town.url, "--home", town.new_site(change), "--json")
        status, said, _ = town.client("site", "add-service", "thermo", *more)
        assert (status, json.loads(said)["version"]) == (0, "1.0.0"), said
    path.write_bytes(good)
    assert town.follow() == ""
    assert not town.evidence()


def test_an_entry_with_an_old_time_is_named_by_anybody(town: Town) -> None:
    with closing(town.opened(town.store, -30 * _DAY)) as store:
        store.withdraw("thermo", "1.0.0", Why("it was never good", "local:root"))
        last = Folder(store.files.below(FOLDER)).head()
    assert last is not None
    at = checkpoint.parse(last).size - 1
    status, said, _ = town.client("store", "audit", town.url, "--json")
    assert (status, json.loads(said)["backdated"]) == (0, [at])
    town.commands.run("store", "mirror", town.url, "mirror")
    town.end()
    words = ("store", "audit", "mirror/log", "--store-cert", "store.pem", "--json")
    status, said, _ = town.client(*words)  # offline, with the public keys
    assert (status, json.loads(said)["backdated"]) == (0, [at])


@contextlib.contextmanager
def frozen(top: Path) -> Iterator[str]:
    """A server of files, which is another program."""
    port = quiet_port()
    words = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(top)]
    with subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_an_old_index_is_refused(town: Town) -> None:
    """By those who have seen more at once, and by all others when its time is too old."""
    old = town.copy("old")
    town.upload("1.2.0")
    assert (town.watch(), town.follow()) == ("", "")
    folder = Folder(old / FOLDER)
    head = checkpoint.parse(folder.head() or b"")
    signer = note.Signer(head.origin, note.LOG, key.load(old / KEY))
    for age, code in ((6 * _DAY, ""), (8 * _DAY, "log-stale")):
        stamp = signer.stamp(head.note.text, int(time.time()) - age)
        files = storage.LocalFolder(old / FOLDER)
        files.write_all({"checkpoint": checkpoint.with_signatures(head, [stamp]).note.data()})
        with frozen(old / "public") as url:
            status, _, said = town.client("dev", "watch", url, "--once")
            assert (status, said.split(": ")[1]) == (1, "log-stale"), said  # she has seen more
            more = ("--store", url, "--home", town.new_site(str(age)))
            status, _, said = town.client("site", "add-service", "thermo", *more)
            assert (said.split(": ")[1] if said else "") == code, said
            assert bool(status) == bool(code)
    town.serve(old)  # the Store itself goes on with the old state, and says the time of today
    assert (town.watch(), town.follow()) == ("log-stale", "log-stale")
    assert not town.evidence()


# An honest Store.


class Crowd:
    """Clients that upload, and one that keeps every checkpoint that the Store shows."""

    def __init__(self, town: Town, paths: list[Path]) -> None:
        self._town = town
        self._waiting = [read(path) for path in paths]
        self._signer = developers.unlock(developers.default(), bytes)
        self.answered: list[Package] = []
        self.heads: dict[bytes, Checkpoint] = {}
        self._stopped = threading.Event()
        self._turn = threading.Lock()

    def stop(self) -> None:
        self._stopped.set()

    def await_answers(self, number: int) -> None:
        """Wait until so many packages are answered."""
        for _ in looks(300):
            if len(self.answered) >= number:
                return
        raise AssertionError(f"{len(self.answered)} of {number} packages were answered")

    def look(self) -> None:
        """Keep checkpoints until the end."""
        while not self._stopped.is_set():
            with contextlib.suppress(Exception), Link(self._town.url, seconds=20) as link:
                while not self._stopped.is_set():
                    data = link.read("log/checkpoint")
                    self.heads.setdefault(data, checkpoint.parse(data))

    def upload(self) -> None:
        """Upload until nothing is left, again and again where the Store is not there."""
        while not self._stopped.is_set():
            with self._turn:
                if not self._waiting:
                    return
                package = self._waiting.pop(0)
            try:
                with Link(self._town.url, seconds=60) as link:
                    link.submit(package.der(), self._signer.signer)
            except Exception:  # whatever a server that ends or is behind says
                with self._turn:
                    self._waiting.insert(0, package)
                self._stopped.wait(0.2)
            else:
                self.answered.append(package)


def backed_up(home: Path) -> Callable[[], None]:
    """Make a backup of the database, and return what restores it."""
    backup = home.parent / "backup.sqlite"
    with closing(sqlite3.connect(home / DATABASE)) as live:
        live.execute("VACUUM INTO ?", (str(backup),))

    def restore() -> None:
        for suffix in ("-wal", "-shm"):
            (home / f"{DATABASE}{suffix}").unlink(missing_ok=True)
        shutil.copy(backup, home / DATABASE)

    return restore


def test_an_honest_store_that_was_killed_and_restored_is_never_accused(town: Town) -> None:
    crowd = Crowd(town, [town.sign(f"2.{at}.0") for at in range(12)])
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(crowd.look), pool.submit(crowd.upload)]
        try:
            crowd.await_answers(2)
            restore = backed_up(town.store)
            for number in (4, 6):
                crowd.await_answers(number)
                town.end()  # under load
                town.serve(town.store)
                assert town.watch() in ("", "store-unreachable")
            crowd.await_answers(8)
            town.end()
            restore()
            town.commands.run("store", "restored")
            town.serve(town.store)
            assert (town.watch(), town.follow()) == ("", "")
            jobs[1].result(300)
        finally:
            crowd.stop()
    jobs[0].result(60)
    assert (town.watch(), town.follow()) == ("", "")
    assert not town.evidence()
    assert town.client("store", "audit", town.url)[0] == 0
    with closing(town.opened(town.store)) as store:
        own, folder = store.log_key, Folder(store.files.below(FOLDER))
    last = checkpoint.parse(folder.head() or b"")
    tree = folder.tree(last.size)
    heads = sorted(crowd.heads.values(), key=lambda one: one.size)
    assert len({one.size for one in heads}) > 3
    for one in heads:
        assert one.size <= last.size
        with pytest.raises(NoContradiction):
            forks.make(own, one, last, tree.complete)
    leaves = [leaf for at in range(-(-last.size // 256)) for leaf in folder.entries(at, last.size)]
    sealed = [parse(leaf).version for leaf in leaves if parse(leaf).kind == "release"]
    assert set(sealed) == {"1.0.0", "1.1.0", *(f"2.{at}.0" for at in range(12))}


def test_an_honest_store_that_lost_its_disk_is_never_accused(town: Town) -> None:
    mirror, backup = str(town.folder / "mirror"), town.copy("backup")
    (backup / "store.mark").unlink()  # it is in no backup
    for version in ("2.0.0", "2.1.0"):
        town.upload(version)
    town.commands.run("store", "withdraw", "thermo", "2.0.0", "--reason", "a flaw")
    assert (town.watch(), town.follow()) == ("", "")
    assert town.client("store", "mirror", town.url, mirror)[0] == 0
    town.end()
    shutil.rmtree(town.store)
    shutil.copytree(backup, town.store)
    town.serve(town.store)  # it shows an old log, and adds nothing to it
    assert (town.watch(), town.follow()) == ("log-stale", "log-stale")
    late = town.sign("2.2.0")
    status, _, said = town.client("dev", "upload", str(late), "--store", town.url)
    assert (status, "store-behind" in said) == (1, True), said
    town.end()
    status, _, said = town.client("store", "restored")
    assert (status, "log-may-be-old" in said, "--mirror" in said) == (1, True, True), said
    town.commands.run("store", "restored", "--mirror", mirror)
    town.serve(town.store)
    assert (town.watch(), town.follow()) == ("", "")
    town.commands.run("dev", "upload", str(late), "--store", town.url)
    assert (town.watch(), town.follow()) == ("", "")
    assert not town.evidence()
    assert town.client("store", "audit", town.url)[0] == 0
    assert town.client("store", "mirror", town.url, mirror)[0] == 0
