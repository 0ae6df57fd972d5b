"""The ledger forgets what expired long ago, and nothing that anything needs."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, event, func, select

from tests.worlds.site_world import World, ends
from triseal import database
from triseal.site.clock import Guard
from triseal.site.records import holdings, ledger, pruning, tables
from triseal.site.records.placement import Place
from triseal.site.records.pruning import DAY, Pruned
from triseal.site.server import janitor
from triseal.site.server.duties import Duty

PLACE = Place("hall", "thermo")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        made.manager.add_service(made.package())
        made.add_node("hall")
        made.manager.assign("hall", "thermo")
        yield made


def count(world: World, table: Table) -> int:
    with database.reading(world.manager.engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def issue(world: World) -> int:
    return world.manager.deployment("hall", "thermo").seal.serial


def prune(world: World, days: int = 30) -> Pruned:
    return pruning.prune(world.manager.engine, world.now, days)


def test_a_server_prunes_by_itself(world: World) -> None:
    issue(world)
    engine = world.manager.engine

    async def serve() -> None:
        task = asyncio.create_task(janitor.keep(engine, 1, Guard(), Duty(janitor.DUTY), every=0.01))
        end = time.monotonic() + 20
        while count(world, tables.seals):
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    world.now -= 1000 * DAY
    with database.writing(engine) as connection:
        connection.execute(tables.seals.update().values(not_after=world.now))
    asyncio.run(serve())


def hold(world: World, serial: int) -> None:
    with database.writing(world.manager.engine) as connection:
        holdings.confirm(connection, PLACE, ledger.serial_bytes(serial), "running", world.now)


@pytest.mark.parametrize(
    ("sentence", "age", "left"),
    [
        ("a valid seal stays", 0, 1),
        ("one that has just expired stays", 1, 1),
        ("one that expired within the days stays", 30, 1),
        ("one that expired before goes", 31, 0),
    ],
)
def test_age_decides(world: World, sentence: str, age: int, left: int) -> None:
    issue(world)
    world.now += age * DAY
    prune(world)
    assert count(world, tables.seals) == left, sentence
    assert count(world, tables.templates) == left, sentence


@pytest.mark.parametrize(
    ("table", "life"), [(tables.seals, 5000), (tables.certificates, 365 * DAY)]
)
def test_to_the_second(world: World, table: Table, life: int) -> None:
    issue(world)
    world.now += life + 30 * DAY
    prune(world)
    assert count(world, table) == 1
    world.now += 1
    prune(world)
    assert count(world, table) == 0


def test_less_than_a_day_is_never_kept(world: World) -> None:
    issue(world)
    with pytest.raises(ValueError, match="0 days"):
        prune(world, 0)


def test_what_a_node_holds_stays_whatever_its_age(world: World) -> None:
    held, other = issue(world), issue(world)
    hold(world, held)
    world.now += 400 * DAY
    prune(world)
    with database.reading(world.manager.engine) as connection:
        assert ledger.find_seal(connection, held)
        assert ledger.find_seal(connection, other) is None


def test_a_guarantee_says_the_same_afterwards(world: World) -> None:
    for _ in range(3):
        issue(world)
        world.now += 20 * DAY
    hold(world, issue(world))
    before = world.manager.undeploy("hall", "thermo")
    prune(world, 1)
    assert world.manager.guarantee(service="thermo") == before
    assert ends(before) == {"hall": world.now + world.manager.lifetime}


def test_many_go_in_small_transactions_and_may_be_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_BATCH", 2)
    for _ in range(5):
        issue(world)
    world.now += 400 * DAY
    asked = iter([False, True, True, True])
    engine = world.manager.engine
    assert pruning.prune(engine, world.now, 30, lambda: next(asked)).seals == 2
    assert prune(world) == Pruned(seals=3, templates=1, certificates=1)
    assert prune(world) == Pruned(0, 0, 0)


@pytest.mark.parametrize(
    ("sentence", "took", "sizes"),
    [
        ("a slow disk gets fewer rows, but some", 1.0, [100, 50, 25, 12, 10, 10]),
        ("a fast one gets more, up to the most", 0.001, [10, 13, 17, 22, 28, 36]),
        ("no more than the most", 0.001, [90, 100, 100]),
        ("one row stays one row", 1.0, [1, 1]),
    ],
)
def test_a_transaction_is_as_large_as_the_time_allows(
    sentence: str, took: float, sizes: list[int]
) -> None:
    for size, following in itertools.pairwise(sizes):
        assert pruning._next_size(size, took) == following, sentence


def test_no_statement_of_it_reads_all_seals(world: World) -> None:
    """What a statement costs must not grow with the ledger: SQLite's plan for each of them."""
    issue(world)
    world.now += 400 * DAY
    engine = world.manager.engine
    said: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        said.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    prune(world)
    event.remove(engine, "before_cursor_execute", note)
    plans = []
    with database.reading(engine) as connection:
        for statement, parameters in said:
            if statement.startswith(("SELECT", "DELETE")):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans += [str(row[3]) for row in rows]
    assert any(plan.startswith("SEARCH seals USING INDEX seals_by_end") for plan in plans)
    assert any("seals_by_template" in plan for plan in plans)
    assert [plan for plan in plans if plan.startswith("SCAN seals")] == []


def test_a_renewal_finds_its_template_again(world: World) -> None:
    issue(world)
    world.now += 100 * DAY
    prune(world)
    made = world.manager.deployment("hall", "thermo")
    assert world.check(made)
