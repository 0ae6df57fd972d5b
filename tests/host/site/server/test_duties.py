"""What all nodes depend on outlives every trouble but a defect, says it once, and is named."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import NoResultFound

from sealcore import errors, messages
from tests.worlds import postgres
from tests.worlds.link_world import LinkWorld, Serving, serving, until
from triseal import database
from triseal.errors import DatabaseUnusable
from triseal.site.clock import ClockDoubted, Guard
from triseal.site.server import janitor
from triseal.site.server.duties import Duties, Duty, is_trouble
from triseal.site.server.limits import Limits
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.registry import Registry
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.signing.task import Answer, Snapshot


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EMFILE, "Too many open files"), True),
        (DatabaseUnusable("relation does not exist"), True),
        (NoResultFound("a table is empty while it is restored"), True),
        (ClockDoubted("jumped"), True),
        (errors.TooLarge("grants"), True),
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("dictionary changed size during iteration"), False),
        (TypeError("a defect"), False),
        (KeyError("a defect"), False),
        (AssertionError("a defect"), False),
    ],
)
def test_trouble_and_defects(error: Exception, trouble: bool) -> None:
    assert is_trouble(error) is trouble


def fail(error: Exception) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        raise error

    return work


async def succeed() -> None:
    """Nothing to do."""


def said(caplog: pytest.LogCaptureFixture, duty: str) -> list[tuple[str, str]]:
    """Event and code of each line about a duty."""
    return [
        (record.getMessage(), getattr(record, "code", ""))
        for record in caplog.records
        if getattr(record, "duty", "") == duty
    ]


def test_it_is_said_once_for_each_kind_of_trouble(caplog: pytest.LogCaptureFixture) -> None:
    duties = Duties()
    duty = duties.add("changes", 0.0, 0.0)

    async def run() -> None:
        for _ in range(5):
            assert not await duty.attempt(fail(DatabaseUnusable("gone\x1b[2J")))
        for _ in range(5):
            assert not await duty.attempt(fail(MemoryError()))
        assert duties.failing() == {"changes": "no-resources: no memory is left"}
        assert await duty.attempt(succeed)
        assert await duty.attempt(succeed)

    asyncio.run(run())
    assert said(caplog, "changes") == [
        ("failing", "database-unusable"),
        ("failing", "no-resources"),
        ("works again", ""),
    ]
    assert duties.failing() == {}


def test_what_is_shown_controls_no_terminal() -> None:
    duty = Duty("changes")
    duty.failed(DatabaseUnusable("gone\x1b[2J"))
    assert duty.trouble == "database-unusable: gone\\x1b[2J"


def test_the_pause_grows_to_the_longest() -> None:
    duty = Duty("changes", 1.0, 60.0)
    pauses = []
    for _ in range(2000):
        duty.failed(MemoryError())
        pauses.append(round(duty.pause))
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[6:]) == {60}
    duty.works()
    assert duty.pause == 0


def test_nothing_is_tried_during_the_pause() -> None:
    duty = Duty("changes", 60.0, 60.0)
    tried = []

    async def work() -> None:
        tried.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    async def run() -> None:
        for _ in range(3):
            assert not await duty.attempt(work)

    asyncio.run(run())
    assert tried == [1]


def test_a_defect_ends_the_loop() -> None:
    duty = Duty("changes")
    with pytest.raises(TypeError):
        asyncio.run(duty.attempt(fail(TypeError("a defect"))))


# --- With a server ---------------------------------------------------------------------------


RENAMED = ("ALTER TABLE revision RENAME TO away", "ALTER TABLE away RENAME TO revision")


def alter(world: LinkWorld, statement: str) -> None:
    with database.writing(world.manager.engine) as connection:
        connection.execute(text(statement))


def a_while_without(
    site: Serving,
    world: LinkWorld,
    changes: tuple[str, str],
    caplog: pytest.LogCaptureFixture,
    code: str = "database-unusable",
) -> None:
    """The server fails while something is missing, says so once, and then goes on."""
    away, back = changes
    node = world.node("kitchen", site.port)
    node.hello()
    node.expect(messages.ASSIGN)
    caplog.clear()
    alter(world, away)
    until(lambda: "changes" in site.duties.failing(), "the trouble is named")
    first = site.duties.add("changes").failures
    until(lambda: site.duties.add("changes").failures > first, "it is tried again")
    alter(world, back)
    until(lambda: not site.duties.failing(), "it works again")
    assert said(caplog, "changes") == [("failing", code), ("works again", "")]
    assert "Traceback" not in caplog.text
    world.manager.restart("kitchen", "thermo")
    assert node.expect(messages.RESTART) == (["thermo"],)


def test_sqlite_without_a_table(
    tmp_path: Path, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    site = stack.enter_context(serving(world))
    a_while_without(site, world, RENAMED, caplog)


def test_postgresql_while_it_is_restored(
    cluster: str, tmp_path: Path, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    """pg_restore --clean drops tables and fills them later; an administrator revokes rights."""
    import psycopg

    own = postgres.database(cluster)
    with psycopg.connect(own, autocommit=True) as administrator:
        administrator.execute("CREATE ROLE site LOGIN")
        administrator.execute("GRANT ALL ON SCHEMA public TO site")
    url = own.replace("postgres@/", "site@/")
    world = stack.enter_context(LinkWorld(tmp_path, database=url))
    world.deploy("kitchen", "thermo")
    site = stack.enter_context(serving(world))
    a_while_without(site, world, RENAMED, caplog)
    revoked = ("REVOKE ALL ON revision FROM site", "GRANT ALL ON revision TO site")
    a_while_without(site, world, revoked, caplog, "database-read-only")


def test_nodes_that_were_heard_meanwhile_are_noted_later() -> None:
    registry = Registry(Limits(), Metrics())
    registry.heard("kitchen")
    registry.keep(registry.take_heard() | {"hall"}, {"attic"})
    assert registry.take_heard() == {"kitchen", "hall"}
    assert registry.take_claimed() == {"attic"}


def test_the_janitor_outlives_a_missing_table(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    duty = Duty(janitor.DUTY, 0.01, 0.01)
    alter(world, "ALTER TABLE seals RENAME TO away")

    async def serve() -> None:
        keeping = janitor.keep(world.manager.engine, 90, Guard(), duty, every=0.01)
        task = asyncio.create_task(keeping)
        await asyncio.to_thread(until, lambda: duty.failures > 1, "pruning fails twice")
        alter(world, "ALTER TABLE away RENAME TO seals")
        await asyncio.to_thread(until, lambda: not duty.trouble, "pruning works again")
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(serve())


# --- The pipeline ----------------------------------------------------------------------------


def test_an_answer_that_cannot_be_recorded_is_logged_once(
    tmp_path: Path, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    duties = Duties()
    pipeline = Pipeline(world.manager.engine, world.manager.authority, duties=duties)

    def write(connection: Connection) -> None:
        connection.execute(text("DELETE FROM gone"))

    def task(_: Snapshot) -> Answer:
        return Answer(writes=[write])

    async def run() -> None:
        working = asyncio.create_task(pipeline.run())
        for _ in range(3):
            with pytest.raises(DatabaseUnusable):
                await pipeline.answer(task)
        assert list(duties.failing()) == ["recording"]
        await pipeline.answer(lambda _: Answer(writes=[lambda _: None]))
        assert duties.failing() == {}
        working.cancel()
        await asyncio.wait([working])

    asyncio.run(run())
    assert said(caplog, "recording") == [("failing", "database-unusable"), ("works again", "")]
    assert "Traceback" not in caplog.text


def test_a_defect_in_a_thread_of_the_pipeline_ends_it(tmp_path: Path, stack: ExitStack) -> None:
    """Else the server would run on and answer nothing."""
    world = stack.enter_context(LinkWorld(tmp_path))
    pipeline = Pipeline(world.manager.engine, world.manager.authority)
    pipeline._asked.put(cast("Any", "what is no job"))
    with pytest.raises(AttributeError):
        asyncio.run(pipeline.run())


def test_a_pipeline_that_ends_drops_what_waits(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    pipeline = Pipeline(world.manager.engine, world.manager.authority)
    begun, may_end = threading.Event(), threading.Event()
    done: list[int] = []

    def slow(_: Snapshot) -> None:
        begun.set()
        may_end.wait(20)

    async def run() -> None:
        working = asyncio.create_task(pipeline.run())
        asking = [asyncio.create_task(pipeline.read(slow))]
        await asyncio.to_thread(begun.wait, 20)
        asking += [asyncio.create_task(pipeline.read(lambda _: done.append(1))) for _ in range(999)]
        await asyncio.sleep(0)
        for task in (*asking, working):
            task.cancel()
        freeing = threading.Thread(target=free)
        freeing.start()
        await asyncio.wait([working])
        freeing.join()

    def free() -> None:
        until(lambda: pipeline._stopped, "it stops")
        may_end.set()

    asyncio.run(run())
    assert done == []
