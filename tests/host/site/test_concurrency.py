"""Several processes on one site: nothing lost, and no seal that a finished change forbids."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sealcore import seal
from tests.worlds import postgres
from tests.worlds.processes import pool
from tests.worlds.site_world import NOW, PASSPHRASE, World
from triseal import database
from triseal.errors import AlreadyExists
from triseal.site import clock, home
from triseal.site.errors import Changed, NotAssigned
from triseal.site.home import Founding
from triseal.site.manager import Manager
from triseal.site.records import ledger, tables

PROCESSES = 2
EACH = 8
SECONDS = 60.0


def opened(folder: Path) -> Manager:
    return Manager(folder, lambda: PASSPHRASE, lambda: NOW)


def issue(folder: Path, node: str) -> list[bytes]:
    """Seals for a node as fast as they come; those that a change overtook are left out."""
    found = []
    with opened(folder) as site:
        for _ in range(EACH):
            try:
                found.append(site.deployment(node, "thermo").seal.der)
            except Changed:
                continue
    return found


def toggle(folder: Path) -> None:
    """Give and take a grant, again and again."""
    with opened(folder) as site:
        for _ in range(EACH):
            site.grant("thermo", ["log"])
            site.revoke("thermo", ["log"])


def issue_until_refused(folder: Path, node: str) -> list[int]:
    """Serials of seals until the service is taken away."""
    serials = []
    with opened(folder) as site:
        while True:
            with contextlib.suppress(Changed):
                try:
                    serials.append(site.deployment(node, "thermo").seal.serial)
                except NotAssigned:
                    return serials


def undeploy(folder: Path, node: str) -> list[bytes]:
    """Serials that the ledger has as soon as the change is answered."""
    with opened(folder) as site:
        site.undeploy(node, "thermo")
        with database.reading(site.engine) as connection:
            return list(connection.scalars(select(tables.seals.c.serial)))


def move(folder: Path, node: str) -> list[tuple[str, set[bytes]]]:
    """Move a node on and back: the version that it shall have, and what it was sealed meanwhile."""
    found = []
    with opened(folder) as site:
        for _ in range(EACH // 4):
            for version, change in (("2.0", site.rollout), ("1.0", site.roll_back)):
                change("thermo", [node])
                before = serials_of(site, node)
                end = time.monotonic() + SECONDS
                while len(fresh := serials_of(site, node) - before) < 2:
                    assert time.monotonic() < end
                found.append((version, fresh))
    return found


def serials_of(site: Manager, node: str) -> set[bytes]:
    with database.reading(site.engine) as connection:
        table = tables.seals.c
        return set(connection.scalars(select(table.serial).where(table.node == node)))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of the database; "" for the file in the site's folder."""
    if request.param == "sqlite":
        yield ""
        return
    yield postgres.database(request.getfixturevalue("cluster"))


@pytest.fixture
def world(tmp_path: Path, url: str) -> Iterator[World]:
    with World(tmp_path / "site", database=url) as world:
        world.manager.add_service(world.package())
        for number in range(PROCESSES):
            world.add_node(f"node-{number}")
            world.manager.assign(f"node-{number}", "thermo")
        yield world


def seal_twice(world: World, node: str) -> None:
    """One place is sealed by two at the same moment, each time with what nobody has sealed before;
    and the time noted by both, which nobody has noted before."""
    with opened(world.folder) as other, ThreadPoolExecutor(2) as threads:
        for number in range(EACH // 2):
            world.manager.grant("thermo", [f"pin:{number}"], [node], force=True)
            sites = (world.manager, other)
            both = [threads.submit(one.deployment, node, "thermo") for one in sites]
            assert len({one.result(SECONDS).seal.serial for one in both}) == 2
            with database.writing(world.manager.engine) as connection:
                clock.accept(connection, NOW)
            for noted in [threads.submit(note_time, one) for one in sites]:
                noted.result(SECONDS)
        world.manager.revoke("thermo", [f"pin:{number}" for number in range(EACH // 2)])


def note_time(site: Manager) -> None:
    with database.writing(site.engine) as connection:
        clock.note(connection, NOW, doubted=False)


def test_deployments_and_changes_at_once(world: World) -> None:
    with pool(PROCESSES + 1) as workers:
        changes = workers.submit(toggle, world.folder)
        issuing = [
            workers.submit(issue, world.folder, f"node-{number}") for number in range(PROCESSES)
        ]
        changes.result(timeout=240)
        seals = [der for one in issuing for der in one.result(timeout=240)]
    assert seals
    with database.reading(world.manager.engine) as connection:
        count = connection.execute(select(func.count()).select_from(tables.seals)).scalar_one()
    assert count == len(seals)
    assert len({seal.parse(der, seal.SITE).serial for der in seals}) == len(seals)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_server_holds_one_site(world: World, url: str, tmp_path: Path) -> None:
    with pytest.raises(AlreadyExists):
        home.init(tmp_path / "other", Founding("other", "p256", database=url), None, NOW)
    assert not (tmp_path / "other").exists()
    with opened(world.folder) as site:
        assert site.name == "house"


def test_after_the_answer_to_a_change_no_seal_follows(world: World) -> None:
    with pool(PROCESSES + 1) as workers:
        issuing = workers.submit(issue_until_refused, world.folder, "node-0")
        while not issued(world):
            assert not issuing.done()
        known = workers.submit(undeploy, world.folder, "node-0").result(timeout=240)
        serials = issuing.result(timeout=240)
    assert {serial.to_bytes(16, "big") for serial in serials} == set(known)
    seal_twice(world, "node-1")


def issued(world: World) -> int:
    with database.reading(world.manager.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(tables.seals)).scalar_one())


def test_two_rollouts_at_once_move_their_own_nodes_and_no_seal_says_another_version(
    world: World,
) -> None:
    world.manager.add_service(world.package(version="2.0"), hold=True)
    nodes = [f"node-{number}" for number in range(PROCESSES)]
    with pool(2 * PROCESSES) as workers:
        issuing = [workers.submit(issue_until_refused, world.folder, node) for node in nodes]
        moving = [workers.submit(move, world.folder, node) for node in nodes]
        steps = [step for one in moving for step in one.result(timeout=240)]
        for node, one in zip(nodes, issuing, strict=True):
            world.manager.undeploy(node, "thermo")
            one.result(timeout=240)
    assert len(steps) == PROCESSES * EACH // 2
    with database.reading(world.manager.engine) as connection:
        for version, serials in steps:
            contents = [ledger.content_of(connection, one) for one in serials]
            assert {one.service_version for one in contents if one} == {version}
