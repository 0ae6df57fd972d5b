"""A site whose database is from before all migrations: it keeps what it has, and gets the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from tests.worlds import postgres
from tests.worlds.site_world import NOW, World
from triseal import database
from triseal.site import clock
from triseal.site.records import node_clocks, nodes, revision, tables
from triseal.site.records.migrations import site_1
from triseal.site.records.node_clocks import Lag
from triseal.site.rules import restore

# Columns that came later.
LATER = (
    ("nodes", "grace"),
    ("nodes", "clock_behind"),
    ("nodes", "clock_at"),
    ("nodes", "reset_cause"),
    ("holdings", "restarts"),
    ("clocks", "ahead_ms"),
)

# Tables that came later.
LACKING: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("before versions could be held", ("releases",)),
    ("before a server was started", ("releases", "refusals", "restarts", "revision")),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "sqlite":
        with World(tmp_path / "site") as made:
            yield made
        return
    url = postgres.database(request.getfixturevalue("cluster"))
    with World(tmp_path / "site", database=url) as made:
        yield made


@pytest.mark.parametrize(("sentence", "lacking"), LACKING, ids=[row[0] for row in LACKING])
def test_an_older_site(world: World, sentence: str, lacking: tuple[str, ...]) -> None:
    world.manager.add_service(world.package())
    for node in ("hall", "kitchen"):
        world.add_node(node)
        world.manager.assign(node, "thermo")
    world.manager.grant("thermo", ["log"])
    age(world, lacking)
    world.manager.close()
    world.manager = world.open()
    assert versions(world) == ["1.0", "1.0"]
    counted = count(world)
    for change in (
        lambda: world.manager.add_service(world.package(version="2.0"), hold=True),
        lambda: world.manager.rollout("thermo", ["hall"]),
        lambda: world.manager.roll_back("thermo"),
    ):
        change()
        assert count(world) > counted, "a server sees it"
        counted = count(world)
    world.manager.rollout("thermo", ["kitchen"])
    assert versions(world) == ["1.0", "2.0"]


def test_an_older_site_gets_the_columns_that_it_lacks(world: World) -> None:
    world.add_node("hall")
    with database.writing(world.manager.engine) as connection:
        forget_version(connection)
        for table, column in LATER:
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
    world.manager.engine.dispose()
    for _ in range(2):  # the second time there is nothing to do
        world.manager = world.open()
        with database.writing(world.manager.engine) as connection:
            assert node_clocks.of(connection, "hall") == Lag()
            node_clocks.note(connection, [node_clocks.Said("hall", NOW, NOW)])
            nodes.greeted(connection, "hall", NOW, (0, None), "watchdog")
            connection.execute(tables.nodes.update().values(clock_behind=None, clock_at=None))
            assert nodes.grace_of(connection, "hall") == 0
            clock.note(connection, NOW, doubted=False, ahead=0.0)
        world.manager.engine.dispose()
    world.manager = world.open()


def test_an_older_site_gets_the_indexes_that_it_lacks(world: World) -> None:
    with database.writing(world.manager.engine) as connection:
        forget_version(connection)
        for index in tables.seals.indexes:
            connection.execute(text(f"DROP INDEX {index.name}"))
    world.manager.close()
    for _ in range(2):  # and the second time there is nothing left to do
        world.manager = world.open()
        found = {index["name"] for index in inspect(world.manager.engine).get_indexes("seals")}
        assert found >= {"seals_by_place", "seals_by_end", "seals_by_template"}
        world.manager.close()
    world.manager = world.open()


def age(world: World, lacking: tuple[str, ...]) -> None:
    """Take out of the database what an older one lacks."""
    (world.folder / restore.FILE).unlink(missing_ok=True)
    with database.writing(world.manager.engine) as connection:
        forget_version(connection)
        if "revision" in lacking:
            for statement in uncount(connection):
                connection.execute(text(statement))
        for table in lacking:
            connection.execute(text(f"DROP TABLE {table}"))


def forget_version(connection: Connection) -> None:
    """Take out what a database has only since there are migrations."""
    for statement in uncount(connection):
        connection.execute(text(statement))
    first = site_1.TABLES.tables
    known = inspect(connection)
    for table in known.get_table_names():
        if table not in first:
            connection.execute(text(f"DROP TABLE {table}"))
            continue
        for column in known.get_columns(table):
            if column["name"] not in first[table].columns:
                connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column['name']}"))
    with Operations.context(MigrationContext.configure(connection)):
        site_1.count(site_1.WATCHED)


def uncount(connection: Connection) -> Iterator[str]:
    """What takes the triggers out."""
    if connection.dialect.name == "postgresql":
        yield "DROP FUNCTION count_revision CASCADE"
        return
    triggers = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for name in connection.scalars(triggers).all():
        yield f"DROP TRIGGER {name}"


def versions(world: World) -> list[str]:
    made = [world.manager.deployment(node, "thermo") for node in ("hall", "kitchen")]
    assert [world.check(one).grants for one in made] == [("log",)] * 2
    return [world.check(one).service_version for one in made]


def count(world: World) -> int:
    with database.reading(world.manager.engine) as connection:
        return revision.current(connection)
