"""A Store whose database was restored never signs a second, different release of one version."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sealcore import seal
from tests.host.store.test_store import ADA, ADA_KEY, BOB, World
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import request
from triseal.certificate import Validity
from triseal.package import Package
from triseal.signer import KeySigner
from triseal.store.store import DATABASE

BACKUP = "backup.sqlite"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store") as made:
        made.store.submit(package("1.0"))
        with closing(sqlite3.connect(made.home / DATABASE)) as live:
            live.execute("VACUUM INTO ?", (str(made.home / BACKUP),))
        yield made


def package(version: str, text: str = "pass", service: str = "blink") -> Package:
    return seals.package(ADA, service, version=version, executable=f"{text}\n".encode())


def restore(world: World) -> None:
    world.store.close()
    for suffix in ("-wal", "-shm"):
        (world.home / (DATABASE + suffix)).unlink(missing_ok=True)
    shutil.copy(world.home / BACKUP, world.home / DATABASE)
    world.store = world.open()


def test_a_restored_store_says_so_and_changes_nothing(world: World) -> None:
    given = world.store.submit(package("1.1"))[1]
    world.store.submit(package("1", service="lamp"))
    restore(world)
    proof = request.make(KeySigner(ADA_KEY), "Ada")
    longer = Validity(seals.LONG.not_before, seals.LONG.not_after + 1)
    for call in (
        lambda: world.store.submit(package("1.1", "x = 1")),
        lambda: world.store.register(proof),
        lambda: world.store.approve(world.bob.fingerprint),
        lambda: world.store.renew(longer),
    ):
        assert code_of(call) == "store-behind"
    assert world.store.get("blink")[0].version == "1.0"  # what there is can be read
    assert world.store.accept_restored() == 1
    assert code_of(lambda: world.store.submit(package("1.1", "x = 1"))) == "rollback"
    assert code_of(lambda: world.store.submit(package("1.0.5"))) == "rollback"
    assert seal.parse(given.store_seal, seal.STORE).service_version == "1.1"


ACCEPTED = (
    ("the same release again", lambda: package("1.1"), ""),
    ("a newer one", lambda: package("1.2", "x = 2"), ""),
    ("other content under its version", lambda: package("1.1", "x = 1"), "rollback"),
    ("the release of a service that is lost", lambda: package("1", service="lamp"), ""),
    ("other content of that service", lambda: package("1", "y = 1", "lamp"), "rollback"),
    (
        "that service of another developer",
        lambda: seals.package(BOB, "lamp", version="2"),
        "service-taken",
    ),
)


@pytest.mark.parametrize(("sentence", "make", "code"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_what_it_takes_afterwards(world: World, sentence: str, make: object, code: str) -> None:
    assert callable(make)
    world.store.approve(world.bob.fingerprint)
    world.store.submit(package("1.1"))
    world.store.submit(package("1", service="lamp"))
    restore(world)
    world.store.accept_restored()
    world.store.approve(world.bob.fingerprint)  # lost too
    for _ in range(2):  # the second time as another process
        assert code_of(lambda: world.store.submit(make())) in {code, code or "rollback"}
        world.store.close()
        world.store = world.open()
    kept = {(one.service, one.version) for one in world.store.releases()}
    assert len(kept) == (1 if code else 2)


def test_nothing_is_missed_if_nothing_is_lost(world: World) -> None:
    restore(world)
    world.store.submit(package("1.1"))
    (world.home / "store.mark").unlink()  # as before the first release that has it
    world.store.close()
    world.store = world.open()
    world.store.submit(package("1.2"))
