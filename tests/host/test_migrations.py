"""Older databases: brought up to date in one transaction, once, to the tables of today."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    inspect,
    text,
)
from sqlalchemy.exc import IntegrityError

import triseal
from tests.worlds import postgres
from triseal import database, migrate
from triseal.database import DatabaseNewer, Schema, open_database
from triseal.errors import DatabaseUnusable
from triseal.site.records import schema as site
from triseal.store import tables as store

# Databases as they were when migrations began, with rows in nearly all tables.
RECORDED = Path(__file__).with_name("databases")
ROLES = {"site": site.SCHEMA, "store": store.SCHEMA}

# Tables that a later migration drops.
DROPPED = {"authorities", "developers"}

Where = str | Path
MakeDatabase = Callable[[], Where]


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql" and (reason := postgres.missing()):
        pytest.skip(reason)
    return str(request.param)


@pytest.fixture
def empty(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> MakeDatabase:
    """Makes new databases without tables."""
    numbers = itertools.count()

    def make() -> Where:
        if kind == "sqlite":
            return tmp_path / f"{next(numbers)}.sqlite"
        return postgres.database(request.getfixturevalue("cluster"))

    return make


@contextmanager
def opened(where: Where, schema: Schema) -> Iterator[Engine]:
    engine = open_database(where, schema)
    try:
        yield engine
    finally:
        engine.dispose()


def restore(where: Where, role: str) -> None:
    """Fill an empty database with what was recorded."""
    if isinstance(where, Path):
        connection = sqlite3.connect(where)
        connection.executescript((RECORDED / f"{role}_1.sqlite.sql").read_text("utf-8"))
        connection.close()
        return
    import psycopg

    with psycopg.connect(where) as server:
        server.execute((RECORDED / f"{role}_1.postgresql.sql").read_bytes())


Columns = dict[str, list[str]]


def columns_of(connection: Connection) -> Columns:
    """The names of the columns of all tables."""
    known = inspect(connection)
    return {
        table: [str(column["name"]) for column in known.get_columns(table)]
        for table in known.get_table_names()
    }


def rows(connection: Connection, columns: Columns) -> list[tuple[object, ...]]:
    """All rows of all tables, with these columns."""
    found: list[tuple[object, ...]] = []
    for table, names in columns.items():
        quoted = ", ".join(f'"{name}"' for name in names)
        query = text(f"SELECT {quoted} FROM {table}")
        found += ((table, *row) for row in connection.execute(query))
    return sorted(found, key=repr)


def shape(engine: Engine) -> dict[str, object]:
    """Everything about the tables, in an order that does not depend on how they came."""
    with database.reading(engine) as connection:
        known = inspect(connection)
        found: dict[str, object] = {"triggers": triggers(connection)}
        for table in known.get_table_names():
            found[table] = (
                sorted(
                    (c["name"], str(c["type"]), c["nullable"], c["default"])
                    for c in known.get_columns(table)
                ),
                known.get_pk_constraint(table)["constrained_columns"],
                sorted(
                    (k["constrained_columns"], k["referred_table"], k["referred_columns"])
                    for k in known.get_foreign_keys(table)
                ),
                sorted(u["column_names"] for u in known.get_unique_constraints(table)),
                sorted(
                    (str(i["name"]), i["column_names"], bool(i["unique"]))
                    for i in known.get_indexes(table)
                ),
            )
    return found


def triggers(connection: Connection) -> list[str]:
    if connection.dialect.name == "sqlite":
        query = "SELECT sql FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = (
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
            " UNION ALL SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
    return sorted(connection.scalars(text(query)))


@pytest.mark.parametrize("role", ROLES)
def test_a_recorded_database_gets_the_tables_of_today_and_keeps_its_rows(
    empty: MakeDatabase, role: str, stack: ExitStack
) -> None:
    where, schema = empty(), ROLES[role]
    restore(where, role)
    bare = stack.enter_context(raw(where))
    with bare.connect() as connection:
        columns = columns_of(connection)
        for table in DROPPED & columns.keys() if role == "site" else ():
            del columns[table]
        before = rows(connection, columns)
    assert len(before) > 3
    engine = stack.enter_context(opened(where, schema))
    assert shape(engine) == shape(stack.enter_context(opened(empty(), schema)))
    with database.reading(engine) as connection:
        assert rows(connection, columns) == before


@pytest.mark.parametrize("role", ROLES)
def test_all_migrations_one_after_another_make_the_tables_of_today(
    empty: MakeDatabase, role: str, stack: ExitStack
) -> None:
    schema = ROLES[role]
    engine = stack.enter_context(raw(empty()))
    with engine.begin() as connection:
        migrate.upgrade(connection, schema.migrations)
    assert shape(engine) == shape(stack.enter_context(opened(empty(), schema)))


@contextmanager
def raw(where: Where) -> Iterator[Engine]:
    """A database as it is: it gets no tables."""
    url = f"sqlite:///{where}" if isinstance(where, Path) else where
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.mark.parametrize("role", ROLES)
def test_the_newest_migration_is_that_of_the_program(role: str) -> None:
    names = migrate.names(ROLES[role].migrations)
    assert names == [f"{role}_{number}" for number in range(len(names), 0, -1)]
    assert names[0] == ROLES[role].version


def test_a_newer_database_is_refused_and_stays_as_it_is(
    empty: MakeDatabase, stack: ExitStack
) -> None:
    where = empty()
    with opened(where, site.SCHEMA) as engine, database.writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'site_999'"))
        connection.execute(text("ALTER TABLE nodes ADD COLUMN colour INTEGER"))
        connection.execute(text("DROP TABLE twins"))
        columns = columns_of(connection)
        before = rows(connection, columns)
    with pytest.raises(DatabaseNewer) as caught:
        open_database(where, site.SCHEMA)
    assert str(caught.value) == f"it is of version site_999, this program of {site.SCHEMA.version}"
    with stack.enter_context(raw(where)).connect() as connection:
        assert columns_of(connection) == columns
        assert rows(connection, columns) == before


def test_a_store_refuses_the_database_of_a_site(empty: MakeDatabase) -> None:
    where = empty()
    with opened(where, site.SCHEMA):
        pass
    with pytest.raises(DatabaseNewer, match="site_"):
        open_database(where, store.SCHEMA)


# Migrations of a program that keeps parents and children.

FAMILY = MetaData()
Table("parents", FAMILY, Column("id", Integer, primary_key=True), Column("age", Integer))
FIRST = (
    "op.execute('CREATE TABLE parents (id INTEGER PRIMARY KEY, age VARCHAR(9))')",
    "op.execute('CREATE TABLE children (id INTEGER PRIMARY KEY, of INTEGER REFERENCES parents)')",
    "op.execute('INSERT INTO parents VALUES (1, 33)')",
    "op.execute('INSERT INTO children VALUES (7, 1)')",
)
COUNTS = "op.execute('INSERT INTO parents VALUES (2, 44)')"  # fails the second time
CHANGES_A_COLUMN = (
    "with op.batch_alter_table('parents') as batch:\n"
    "        batch.alter_column('age', type_=Integer(), existing_type=String(9),"
    " postgresql_using='age::integer')"
)
FAILS = "raise RuntimeError('no')"
ORPHANS = "op.execute('DELETE FROM parents WHERE id = 1')"


def program(folder: Path, *migrations: tuple[str, ...]) -> Schema:
    """A program with these migrations, the statements of each."""
    folder.mkdir(exist_ok=True)
    for number, statements in enumerate(migrations, 1):
        before = f"'family_{number - 1}'" if number > 1 else None
        body = "\n    ".join(statements)
        (folder / f"family_{number}.py").write_text(
            "from alembic import op\nfrom sqlalchemy import Integer, String\n"
            f"revision = 'family_{number}'\ndown_revision = {before}\n\n\n"
            f"def upgrade():\n    {body}\n",
            encoding="utf-8",
        )
    return Schema(FAMILY, f"family_{len(migrations)}", folder)


@pytest.fixture
def old(empty: MakeDatabase, tmp_path: Path) -> Where:
    """A database of the first release."""
    where = empty()
    first = program(tmp_path / "first", FIRST)
    with raw(where) as engine, engine.begin() as connection:
        migrate.upgrade(connection, first.migrations)
    with opened(where, first):
        pass
    return where


def test_a_column_of_a_table_to_which_others_refer_is_changed(old: Where, tmp_path: Path) -> None:
    schema = program(tmp_path / "second", FIRST, (CHANGES_A_COLUMN,))
    with opened(old, schema) as engine:
        with database.writing(engine) as connection:
            assert connection.execute(text("SELECT * FROM parents")).all() == [(1, 33)]
            assert connection.execute(text("SELECT * FROM children")).all() == [(7, 1)]
        with pytest.raises(IntegrityError), database.writing(engine) as connection:
            connection.execute(text("INSERT INTO children VALUES (8, 5)"))


@pytest.mark.parametrize(
    ("sentence", "last", "error"),
    [
        ("a migration that fails", FAILS, RuntimeError),
        ("one that breaks a foreign key", ORPHANS, (DatabaseUnusable, IntegrityError)),
    ],
)
def test_all_migrations_or_none(
    old: Where,
    tmp_path: Path,
    sentence: str,
    last: str,
    error: type[Exception] | tuple[type[Exception], ...],
) -> None:
    schema = program(tmp_path / "third", FIRST, (CHANGES_A_COLUMN, COUNTS), (last,))
    for _ in range(2):
        with pytest.raises(error):
            open_database(old, schema)
    with opened(old, program(tmp_path / "first", FIRST)) as engine:
        with database.reading(engine) as connection:
            assert connection.execute(text("SELECT * FROM parents")).all() == [(1, "33")]
            columns = inspect(connection).get_columns("parents")
        assert str(columns[1]["type"]) == "VARCHAR(9)"
    # The same database goes on with the migration when it is mended.
    with opened(old, program(tmp_path / "fourth", FIRST, (CHANGES_A_COLUMN, COUNTS))):
        pass


OPENS = """
import sys
from pathlib import Path
from sqlalchemy import Column, Integer, MetaData, Table
from triseal import database, migrate
where, version, folder = sys.argv[1:]
tables = MetaData()
Table("parents", tables, Column("id", Integer, primary_key=True))
print(flush=True)
input()
database.open_database(where, database.Schema(tables, version, Path(folder))).dispose()
"""


def test_of_two_processes_that_start_at_once_one_migrates(old: Where, tmp_path: Path) -> None:
    schema = program(tmp_path / "second", FIRST, (COUNTS,))
    command = [sys.executable, "-c", OPENS, str(old), schema.version, str(schema.migrations)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            for _ in range(2)
        ]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline()  # it has loaded everything
        for process in processes:
            assert process.stdin
            process.stdin.write(b"\n")
            process.stdin.flush()
        assert [process.wait(120) for process in processes] == [0, 0]
    with opened(old, schema) as engine, database.reading(engine) as connection:
        assert len(connection.execute(text("SELECT * FROM parents")).all()) == 2


def test_a_database_of_today_needs_no_alembic_and_no_lock(
    empty: MakeDatabase, monkeypatch: pytest.MonkeyPatch, stack: ExitStack
) -> None:
    monkeypatch.delattr(triseal, "migrate")
    monkeypatch.setitem(sys.modules, "triseal.migrate", None)
    where = empty()
    engine = stack.enter_context(opened(where, site.SCHEMA))  # a new one
    with database.writing(engine) as connection:
        connection.execute(text("UPDATE revision SET number = 5"))
        with opened(where, site.SCHEMA) as other, database.reading(other) as reader:
            assert rows(reader, {"revision": ["number"]}) == [("revision", 1)]
