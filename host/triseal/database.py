"""The access to databases: SQLite in WAL mode by default, PostgreSQL by URL.

Each role defines its own tables. This module opens, reads and writes databases. All writing goes
through `writing`. On SQLite it takes the write lock at the beginning: a transaction that first
reads and then writes can't fail in the middle because another process was faster. On PostgreSQL
use `select(...).with_for_update()` for rows that will be written; SQLite ignores it.
"""

from __future__ import annotations

import contextlib
import importlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, ProgrammingError

from triseal.errors import Failure

_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
_BUSY_SECONDS = 30
_READ_ONLY = "triseal_read_only"
_TABLES_LOCK = 0x7472697365616C  # a number that all processes must share: "triseal"


class DatabaseUnusable(Failure):
    """The database can't be opened, read or written."""

    code = "database-unusable"
    advice = "Check the path or URL, its permissions and its disk; restore a backup."


def open_database(where: str | Path, metadata: MetaData) -> Engine:
    """Open a database, and create the tables, columns and indexes that it lacks.

    Args:
        where: path of an SQLite file, which is created if needed, or a URL that begins with
            `sqlite:` or `postgresql:`.
        metadata: the tables.

    Returns: an engine to use with `reading` and `writing`. The caller must dispose it after all
        threads that use it have ended: `dispose` does not reach a connection in use.

    Raises:
        DatabaseUnusable: no such server, not a database, no driver, ...
    """
    url = _url(where)
    if url.get_backend_name() == "sqlite":
        engine = _open_sqlite(url)
    else:
        engine = _open_server(url)
    try:
        with writing(engine) as connection:
            if url.get_backend_name() == "postgresql":
                # Two processes that start at the same time would both see that a table is missing.
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _TABLES_LOCK})
            metadata.create_all(connection)
            _add_columns(connection, metadata)
            _add_indexes(connection, metadata)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _add_columns(connection: Connection, metadata: MetaData) -> None:
    """Add columns of newer releases. Each of them may be NULL or has a default in the database."""
    known = inspect(connection)
    compiler = connection.dialect.ddl_compiler(connection.dialect, None)  # type: ignore[arg-type]
    for table in metadata.sorted_tables:
        have = {column["name"] for column in known.get_columns(table.name)}
        for column in table.columns:
            if column.name not in have:
                definition = compiler.get_column_specification(column)
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))


def _add_indexes(connection: Connection, metadata: MetaData) -> None:
    """Add indexes of newer releases to tables that exist: `create_all` adds only whole tables."""
    known = inspect(connection)
    for table in metadata.sorted_tables:
        have = {index["name"] for index in known.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in have:
                index.create(connection)


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads: a consistent snapshot that blocks nobody.

    Args:
        engine: the database.

    Raises:
        DatabaseUnusable: the database can't be read.
    """
    with _understood(), engine.execution_options(**{_READ_ONLY: True}).connect() as connection:
        yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes. An exception in the block undoes everything.

    Args:
        engine: the database.

    Raises:
        DatabaseUnusable: the database can't be written; nothing has changed.
        sqlalchemy.exc.IntegrityError: the block broke a constraint; nothing has changed.
    """
    with _understood(), engine.begin() as connection:
        yield connection


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, except those whose key exists: another transaction may have been faster.

    On PostgreSQL two transactions that insert several of the same rows must use the same order.

    Args:
        connection: a writing transaction.
        table: the table.
        rows: the rows, values by column.
    """
    # The other dialect is not loaded.
    dialect: Any = importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def _url(where: str | Path) -> URL:
    if isinstance(where, Path) or ":" not in where:
        return URL.create("sqlite", database=str(Path(where).expanduser().absolute()))
    try:
        url = make_url(where)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise DatabaseUnusable("not a database URL") from None  # it may hold a password
    if backend not in ("sqlite", "postgresql"):
        raise DatabaseUnusable(f"{backend} is neither sqlite nor postgresql")
    if url.drivername not in _DRIVERS:
        raise DatabaseUnusable(f"the driver {url.drivername} is not supported")
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _open_sqlite(url: URL) -> Engine:
    if url.database not in (None, "", ":memory:"):
        path = Path(str(url.database))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The file is created here, since SQLite's other files get their mode from it.
            path.touch(mode=0o600)
        except OSError as error:
            raise DatabaseUnusable(f"{path}: {error.strerror}") from None
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # otherwise the driver begins transactions itself
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()  # it is in no pool yet; SQLAlchemy closes it only from 2.1 on
        raise


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(_READ_ONLY)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _open_server(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise DatabaseUnusable("no driver: pip install 'triseal[postgres]'") from None


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (IntegrityError, ProgrammingError):
        raise
    except (DatabaseError, sqlite3.DatabaseError) as error:
        cause: Any = getattr(error, "orig", None) or error
        lines = str(cause).strip().splitlines()
        raise DatabaseUnusable(lines[0] if lines else type(cause).__name__) from error
