"""Databases: opened, refused, and used by several processes at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    create_engine,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError

from tests.worlds.processes import pool
from triseal.database import (
    DatabaseGone,
    DiskFull,
    Schema,
    file_of,
    open_database,
    reading,
    writing,
)
from triseal.errors import DatabaseUnusable

METADATA = MetaData()
NUMBERS = Table("numbers", METADATA, Column("number", Integer, primary_key=True))
NEIGHBOURS = Table(
    "neighbours", METADATA, Column("of", ForeignKey("numbers.number"), primary_key=True)
)
SCHEMA = Schema(METADATA, "numbers_1", Path("migrations"))  # a folder that nothing asks for
PROCESSES = 4
EACH = 15


@contextmanager
def opened(path: Path) -> Iterator[Engine]:
    engine = open_database(path, SCHEMA)
    try:
        yield engine
    finally:
        engine.dispose()


def not_a_database(folder: Path) -> str | Path:
    (folder / "text.db").write_bytes(b"this is no database. " * 500)
    return folder / "text.db"


def damaged(folder: Path) -> str | Path:
    path = folder / "damaged.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    connection.close()
    data = bytearray(path.read_bytes())
    data[100:] = bytes(len(data) - 100)
    path.write_bytes(data)
    return path


UNUSABLE: tuple[tuple[str, Callable[[Path], str | Path]], ...] = (
    ("a file that is no database", not_a_database),
    ("a database whose first page is damaged", damaged),
    ("a folder", lambda folder: folder),
    ("a path through a file", lambda folder: Path(__file__) / "x.db"),
    ("another kind of server", lambda folder: "mysql://localhost/x"),
    ("no URL", lambda folder: "postgresql://a:b@@:x/"),
    ("an unknown scheme", lambda folder: "nonsense:x"),
    ("a server that isn't there", lambda folder: "postgresql://127.0.0.1:1/x?connect_timeout=2"),
)


@pytest.mark.parametrize(("sentence", "where"), UNUSABLE, ids=[row[0] for row in UNUSABLE])
def test_refused_in_one_line(
    tmp_path: Path, sentence: str, where: Callable[[Path], str | Path]
) -> None:
    with pytest.raises(DatabaseUnusable) as caught:
        open_database(where(tmp_path), SCHEMA)
    assert "\n" not in str(caught.value)


def test_a_password_is_in_no_message() -> None:
    with pytest.raises(DatabaseUnusable) as caught:
        open_database("postgresql://user:hunter2@[::1", SCHEMA)
    assert "hunter2" not in str(caught.value)


def test_what_a_failed_block_wrote_is_gone(tmp_path: Path, stack: ExitStack) -> None:
    engine = stack.enter_context(opened(tmp_path / "new" / "a.db"))

    def write_and_fail() -> None:
        with writing(engine) as connection:
            connection.execute(NUMBERS.insert().values(number=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with reading(engine) as connection:
        assert connection.execute(select(NUMBERS)).all() == []


def test_only_what_can_be_repeated_does_not_wait_for_the_disk(
    tmp_path: Path, stack: ExitStack
) -> None:
    engine = stack.enter_context(opened(tmp_path / "a.db"))
    levels = {}
    for number, repeatable in enumerate((False, True, True, False, True, False)):
        with writing(engine, repeatable=repeatable) as connection:
            levels[number, repeatable] = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        with reading(engine):
            pass
    full, normal = 2, 1
    assert all(level == (normal if key[1] else full) for key, level in levels.items()), levels


def test_constraints_hold_and_say_so(tmp_path: Path, stack: ExitStack) -> None:
    engine = stack.enter_context(opened(tmp_path / "a.db"))
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(NEIGHBOURS.insert().values(of=7))


def test_only_its_owner_may_read_it(tmp_path: Path, stack: ExitStack) -> None:
    engine = stack.enter_context(opened(tmp_path / "a.db"))
    with writing(engine) as connection:
        connection.execute(NUMBERS.insert().values(number=1))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_a_reader_waits_for_no_writer(tmp_path: Path, stack: ExitStack) -> None:
    engine = stack.enter_context(opened(tmp_path / "a.db"))
    with writing(engine) as writer:
        writer.execute(NUMBERS.insert().values(number=1))
        with reading(engine) as reader:
            assert reader.execute(select(func.count()).select_from(NUMBERS)).scalar_one() == 0


def count_up(path: Path) -> None:
    """Read the highest number, write the next: wrong at once if two do it at the same time."""
    with opened(path) as engine:
        for _ in range(EACH):
            with writing(engine) as connection:
                highest = connection.execute(select(func.max(NUMBERS.c.number))).scalar_one() or 0
                connection.execute(NUMBERS.insert().values(number=highest + 1))


def test_processes_that_open_and_write_at_once_lose_nothing(
    tmp_path: Path, stack: ExitStack
) -> None:
    path = tmp_path / "a.db"
    with pool(PROCESSES) as workers:
        for done in [workers.submit(count_up, path) for _ in range(PROCESSES)]:
            done.result(timeout=240)
    engine = stack.enter_context(opened(path))
    with reading(engine) as connection:
        assert connection.execute(select(func.max(NUMBERS.c.number))).scalar_one() == (
            PROCESSES * EACH
        )


def add(engine: Engine, *numbers: int) -> None:
    with writing(engine) as connection:
        for number in numbers:
            connection.execute(NUMBERS.insert().values(number=number))


def count(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(NUMBERS)).scalar_one()


def test_a_deleted_file_is_noticed_until_it_is_back(tmp_path: Path, stack: ExitStack) -> None:
    path = tmp_path / "x.db"
    engine = stack.enter_context(opened(path))
    add(engine, 1)
    aside = path.rename(tmp_path / "aside")
    for _ in range(2):
        with pytest.raises(DatabaseGone, match=r"x\.db was deleted, moved or replaced"):
            add(engine, 2)
        with pytest.raises(DatabaseGone):
            count(engine)
    engine.dispose()  # a new connection makes no empty file in its place
    with pytest.raises(DatabaseGone):
        count(engine)
    assert not path.exists()
    aside.rename(path)
    add(engine, 2)
    assert count(engine) == 2


def test_another_file_in_its_place_is_not_written(tmp_path: Path, stack: ExitStack) -> None:
    path = tmp_path / "x.db"
    engine = stack.enter_context(opened(path))
    add(engine, 1)
    with opened(tmp_path / "backup"):
        pass
    (tmp_path / "backup").replace(path)
    with pytest.raises(DatabaseGone):
        add(engine, 2)
    engine.dispose()  # a new connection is no better
    with pytest.raises(DatabaseGone):
        count(engine)


@pytest.mark.parametrize("beside", ["x.db-wal", "x.db-shm"])
def test_a_deleted_log_is_noticed(tmp_path: Path, stack: ExitStack, beside: str) -> None:
    path = tmp_path / "x.db"
    engine = stack.enter_context(opened(path))
    add(engine, 1)
    with opened(path) as other:  # who closes it leaves the log to the other one
        add(other, 2)
    add(engine, 3)
    (tmp_path / beside).unlink()
    with pytest.raises(DatabaseGone, match=f"{beside} was deleted"):
        add(engine, 4)


def test_a_full_disk_is_called_so_and_changes_nothing(tmp_path: Path, stack: ExitStack) -> None:
    engine = stack.enter_context(opened(tmp_path / "x.db"))
    add(engine, 1)
    with reading(engine) as connection:  # the same connection of the pool comes again
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # the pages that it has are allowed
    with pytest.raises(DiskFull, match="full"):
        add(engine, *range(2, 10000))
    assert count(engine) == 1


def test_the_file_of_a_database(tmp_path: Path, stack: ExitStack) -> None:
    engine = stack.enter_context(opened(tmp_path / "x.db"))
    assert file_of(engine) == tmp_path / "x.db"
    assert file_of(create_engine("postgresql+psycopg://localhost/x")) is None
    assert file_of(create_engine("sqlite://")) is None
