"""The health of a server process: each cause by name, alive and ready apart, and no old figures."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.worlds import postgres
from tests.worlds.site_world import World
from triseal import database
from triseal.certificate import Validity
from triseal.database import DatabaseGone
from triseal.site.clock import Guard
from triseal.site.records import tables, twins
from triseal.site.server import health, http
from triseal.site.server.health import CODES, Health, Parts
from triseal.site.server.limits import Limits
from triseal.site.server.listeners.certificate import Identity
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.registry import Registry
from triseal.site.server.signing.pipeline import Pipeline


class Scene:
    """A server process without its listeners, whose parts a test may break."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ahead = 0.0
        self.failing: dict[str, str] = {}
        self.metrics = Metrics()
        manager, limits = world.manager, Limits()
        guard = Guard(lambda: time.time() + self.ahead)
        self.pipeline = Pipeline(manager.engine, manager.authority, guard.now, guard)
        self.identity = Identity()
        self.parts = Parts(
            engine=manager.engine,
            pipeline=self.pipeline,
            guard=guard,
            identity=self.identity,
            registry=Registry(limits, self.metrics),
            limits=limits,
            failing=lambda: self.failing,
        )
        self.health = Health(self.parts, self.metrics)

    async def stopping(self) -> dict[str, str]:
        return {one.code: one.detail for one in await self.health.stopping()}

    async def all(self) -> dict[str, bool]:
        """Whether no node is served, by the code of the problem, with new figures."""
        self.health = Health(self.parts, self.metrics)
        return {one.code: one.stops for one in await self.health.all()}

    async def get(self, path: str) -> httpx.Response:
        pages = http.app(self.pipeline, self.parts.registry, {}, self.health)
        transport = httpx.ASGITransport(pages)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site", now=int(time.time())) as made:
        yield made


def played(world: World, play: Callable[[Scene], Awaitable[Any]]) -> None:
    """Play a scene with a pipeline that runs."""

    async def run() -> None:
        async with running(Scene(world)) as scene:
            await play(scene)

    asyncio.run(run())


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[Scene]:
    working = asyncio.create_task(scene.pipeline.run())
    try:
        await scene.pipeline.answer(scene.identity.issue)
        yield scene
    finally:
        working.cancel()
        await asyncio.wait([working])


def test_a_deleted_database_stops_signing_until_it_is_back(world: World, tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        assert await scene.all() == {}
        path = world.folder / "site.sqlite"
        path.rename(tmp_path / "aside")
        assert list(await scene.stopping()) == ["database-gone"]
        with pytest.raises(DatabaseGone):
            await scene.pipeline.answer(scene.identity.issue)
        assert (await scene.get("/livez")).status_code == 200
        for page in ("/readyz", "/health"):
            answer = await scene.get(page)
            assert (answer.status_code, answer.json()["status"]) == (503, "database-gone")
        scene.health = Health(scene.parts, scene.metrics)  # the figures of before are old now
        page = (await scene.get("/metrics")).text
        assert "\ntriseal_database_up 0.0" in page
        assert '\ntriseal_problem{code="database-gone"} 1.0' in page
        assert "\ntriseal_enrolled_nodes NaN" in page
        assert not path.exists()
        (tmp_path / "aside").rename(path)
        assert await scene.stopping() == {}
        await scene.pipeline.answer(scene.identity.issue)
        assert (await scene.get("/readyz")).json() == {"status": "ok", "problems": []}
        assert "\ntriseal_database_up 1.0" in (await scene.get("/metrics")).text

    played(world, play)


def test_postgresql_that_is_down_is_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if reason := postgres.missing():
        pytest.skip(reason)
    with ExitStack() as cluster:
        url = cluster.enter_context(postgres.running())

        async def play(scene: Scene) -> None:
            assert await scene.all() == {}
            await asyncio.to_thread(cluster.close)
            scene.health = Health(scene.parts, scene.metrics)
            for page in ("/readyz", "/health"):
                answer = await scene.get(page)
                assert (answer.status_code, answer.json()["status"]) == (503, "database-unusable")
            answer = await scene.get("/metrics")
            assert answer.status_code == 200
            assert "\ntriseal_database_up 0.0" in answer.text
            await scene.health.look()

        with World(tmp_path / "site", now=int(time.time()), database=url) as world:
            played(world, play)
    assert [one.exc_info for one in caplog.records if one.exc_info] == []


def test_each_cause_has_its_name(world: World) -> None:
    async def play(scene: Scene) -> None:
        scene.ahead = 3600
        assert "jumped by +3600 s" in (await scene.stopping())["clock-doubted"]
        scene.ahead = 0
        scene.identity.not_after = int(time.time()) - 1
        assert "server's own" in (await scene.stopping())["certificate-not-valid"]
        scene.identity.not_after += 86400
        issuer = scene.world.manager.issuer
        valid, issuer.validity = issuer.validity, Validity(0, 1)
        assert "valid from 1970-" in (await scene.stopping())["certificate-not-valid"]
        issuer.validity = valid
        scene.failing = {"recording": "disk-full: disk or database is full", "pruning": "x: y"}
        assert list(await scene.stopping()) == ["disk-full"]
        assert await scene.all() == {"disk-full": True, "failing": False}
        scene.failing = {"accepting": "no-descriptors: too many open files"}
        assert "accepting" in (await scene.stopping())["failing"]
        scene.failing = {}
        scene.parts = replace(scene.parts, limits=Limits(connections=0))
        assert await scene.all() == {"server-full": False}

    played(world, play)


def test_a_database_that_does_not_answer_is_called_slow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_ANSWER_SECONDS", 0.05)

    async def play(scene: Scene) -> None:
        began, go_on = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def hold(_: object) -> bool:
            loop.call_soon_threadsafe(began.set)
            return go_on.wait(20)

        held = asyncio.create_task(scene.pipeline.read(hold))
        await began.wait()
        assert list(await scene.stopping()) == ["database-slow"]
        go_on.set()
        assert await held

    played(world, play)


def test_a_damaged_database_is_named(world: World) -> None:
    async def play(scene: Scene) -> None:
        with database.writing(world.manager.engine) as connection:
            connection.execute(tables.bundles.update().values(der=b"no bundle"))
            connection.execute(tables.site.update().values(lifetime=4000))  # it is read again
        assert "site-incomplete" in (await scene.stopping())["database-unusable"]
        assert await scene.all() == {"database-unusable": True}
        assert (await scene.get("/metrics")).status_code == 200
        with database.writing(world.manager.engine) as connection:
            connection.execute(text("ALTER TABLE revision RENAME TO lost"))
        assert "revision" in (await scene.stopping())["database-unusable"]

    played(world, play)


def test_what_a_person_should_know_does_not_make_it_unready(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_node("hall")

    async def play(scene: Scene) -> None:
        scene.parts.registry.turned_away = 8
        monkeypatch.setattr(health, "_LEAST_FREE", 1 << 62)
        with database.writing(world.manager.engine) as connection:
            twins.note(connection, ["hall"], world.now)
        expected = {"nodes-turned-away": False, "little-disk-space": False, "two-boards": False}
        assert await scene.all() == expected
        world.manager.retire("hall")  # nobody is left to be turned away
        assert await scene.all() == {"little-disk-space": False}
        answer = await scene.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "little-disk-space")
        assert await scene.stopping() == {}

    played(world, play)


def test_all_nodes_silent_for_longer_than_a_lifetime_is_a_problem(world: World) -> None:
    world.add_node("hall")
    lifetime = world.manager.lifetime

    async def play(scene: Scene) -> None:
        world.manager.heard("hall", {}, 1)
        assert await scene.all() == {}
        world.now -= lifetime + 60
        world.manager.heard("hall", {}, 1)
        # The server itself has not been up for so long.
        scene.health = Health(scene.parts, scene.metrics)
        assert await scene.health.all() == []
        scene.health = Health(scene.parts, scene.metrics)
        scene.health._began -= lifetime + 60
        assert await scene.health.all() == []  # the node has nothing to renew
        world.now += lifetime + 60
        world.manager.add_service(world.package())
        world.manager.assign("hall", "thermo")
        scene.health._figures = None
        (found,) = await scene.health.all()
        assert (found.code, found.stops) == ("nodes-silent", False)

    played(world, play)


def test_the_log_has_one_line_when_a_problem_begins_and_one_when_it_ends(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def lines(event: str) -> list[Any]:
        return [vars(one)["code"] for one in caplog.records if one.getMessage() == event]

    async def play(scene: Scene) -> None:
        for ahead in (0, 3600, 3600, 0, 0):
            scene.ahead = ahead
            await scene.health.look()

    with caplog.at_level(logging.INFO):
        played(world, play)
    assert lines("problem") == lines("problem over") == ["clock-doubted"]


def test_a_seal_that_ends_unseen_is_a_line_of_the_log(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node is gone, and reports nothing."""
    monkeypatch.setattr(health, "_MOST_AGE", 0.0)
    monkeypatch.setattr(health, "_MOST_LINES", 2)
    world.manager.add_service(world.package())
    for node in ("attic", "cellar", "hall"):
        world.add_node(node)
        world.manager.assign(node, "thermo")
        world.manager.deployment(node, "thermo")

    async def play(scene: Scene) -> None:
        await scene.health.look()
        with database.writing(world.manager.engine) as connection:
            connection.execute(tables.seals.update().values(not_after=world.now - 1))
        for _ in range(2):
            await scene.health.look()

    with caplog.at_level(logging.INFO):
        played(world, play)
    lines = [vars(one) for one in caplog.records if one.getMessage() == "seal ended"]
    assert [line.get("node", line.get("detail")) for line in lines] == [
        "attic",
        "cellar",
        "and of 1 more service",
    ]


def test_all_codes_are_metrics_from_the_beginning(world: World) -> None:
    async def play(scene: Scene) -> None:
        page = (await scene.get("/metrics")).text
        for code in CODES:
            assert f'triseal_problem{{code="{code}"}} 0.0' in page
        assert f"\ntriseal_seal_lifetime_seconds {float(world.manager.lifetime)}" in page
        assert 'triseal_certificate_end_timestamp_seconds{kind="server"} 1.' in page

    played(world, play)
