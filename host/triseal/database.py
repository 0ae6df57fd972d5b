"""The access to databases: SQLite in WAL mode by default, PostgreSQL by URL.

Each role defines its own tables. This module opens, reads and writes databases. All writing goes
through `writing`. On SQLite it takes the write lock at the beginning: a transaction that first
reads and then writes can't fail in the middle because another process was faster. On PostgreSQL
use `select(...).with_for_update()` for rows that will be written; SQLite ignores it.

Each database says in its table `alembic_version` which migration it has. If it says the newest one,
opening it costs one query. Otherwise `migrate` brings it up to date.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolExhausted

from boards import state_folder
from triseal import files
from triseal.advice import WRITABLE
from triseal.errors import DatabaseUnusable, Failure

_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
_BUSY_SECONDS = 30
_INDEX = 32 << 10  # bytes of the index of a log with up to 4062 pages
_LEAST_ROOM = 256 << 10  # bytes; for the index, and for the log of a change while it is written
_READ_ONLY = "triseal_read_only"
_REPEATABLE = "triseal_repeatable"
_DURABLE = "FULL"  # SQLite's level of `synchronous` at which a commit waits for the disk
_SYNCHRONOUS = "triseal_synchronous"  # the present level, among what is known of a connection
_FILES = "triseal_files"
# What PostgreSQL says during a restore or a change of rights: a schema, a table or a column is
# missing, or may not be used. SQLAlchemy calls these programming errors.
_RESTORING = {"3F000", "42P01", "42703", "42501"}
_TABLES_LOCK = 0x7472697365616C  # a number that all processes must share: "triseal"
_BROKEN_KEYS = "PRAGMA foreign_key_check"


# As Alembic makes it.
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class DatabaseUnreachable(DatabaseUnusable):
    """The server of the database does not let this computer in, or does not answer."""

    code = "database-unreachable"
    advice = "Start the database server, and check its host, port, user and password."


class DatabaseLocked(DatabaseUnusable):
    """Another process has been writing to the database for too long."""

    code = "database-locked"
    advice = "Wait until the other command ends, or end it, and repeat the command."


class DatabaseReadOnly(DatabaseUnusable):
    """This user can't write to the database."""

    code = "database-read-only"
    advice = "Check owner and permissions of the database and its folder, and whose home this is."


class DatabaseOnReadOnlyDisk(DatabaseUnusable):
    """The file system of the database is mounted read-only."""

    code = "read-only-disk"
    advice = WRITABLE


class DatabaseGone(DatabaseUnusable):
    """The file of the database was deleted, moved or replaced while it was open."""

    code = "database-gone"
    advice = (
        "Move the same file back to its place; or stop all programs that use it, restore a "
        "backup, and start them again."
    )


class DiskFull(DatabaseUnusable):
    """The disk of the database is full. Nothing has changed."""

    code = "disk-full"
    advice = "Free some space on the disk and repeat the command; a server goes on by itself."


class _Files:
    """The files of an open SQLite database, which must stay in their place.

    If somebody deletes the file, SQLite goes on with a file that has no name: everything that it
    records is lost when the process ends. If the write-ahead log is deleted, the same holds for the
    last records.

    Args:
        path: path of the database, which exists.

    Attributes:
        path: the same.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._beside = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
        self._was = _identity(path)

    def check(self) -> None:
        """Raise DatabaseGone if the file is not the one that was opened."""
        if _identity(self.path) != self._was:
            raise DatabaseGone(f"{self.path} was deleted, moved or replaced")

    def check_beside(self, known: dict[Any, Any]) -> None:
        """Check in a writing transaction that the write-ahead log and its index are those before.

        SQLite deletes them only with the last connection, so that they stay while one is open.

        Args:
            known: what is known of this connection; it is changed.

        Raises:
            DatabaseGone: one of them was deleted, moved or replaced.
        """
        now = [_identity(path) for path in self._beside]
        before = known.setdefault(_FILES, now)
        for path, was, found in zip(self._beside, before, now, strict=True):
            if found != was:
                raise DatabaseGone(f"{path} was deleted, moved or replaced")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def file_of(engine: Engine) -> Path | None:
    """Return the path of an SQLite database; None for another database.

    Args:
        engine: the database.
    """
    name = engine.url.database
    here = engine.url.get_backend_name() == "sqlite" and name not in (None, "", ":memory:")
    return Path(str(name)) if here else None


class DatabaseNewer(Failure):
    """A newer Triseal has changed the database, or it is the database of another role."""

    code = "database-newer"
    advice = "Install the newer Triseal again, or restore the backup from before its installation."


@dataclass(frozen=True)
class Schema:
    """The tables of a role, and the way to them from each older database.

    Attributes:
        tables: the tables as they are now.
        version: name of the newest migration, which leads to these tables.
        migrations: folder of the migrations, one module each.
    """

    tables: MetaData
    version: str
    migrations: Path


def open_database(where: str | Path, schema: Schema) -> Engine:
    """Open a database. A new one gets the tables, and an older one is migrated.

    Args:
        where: path of an SQLite file, which is created if needed, or a URL that begins with
            `sqlite:` or `postgresql:`.
        schema: the tables.

    Returns: an engine to use with `reading` and `writing`. The caller must dispose it after all
        threads that use it have ended: `dispose` does not reach a connection in use.

    Raises:
        DatabaseUnusable: no such server, not a database, no driver, ...
        DatabaseNewer: the program is too old for the database; nothing has changed.
    """
    url = _url(where)
    if url.get_backend_name() == "sqlite":
        engine = _open_sqlite(url)
    else:
        engine = _open_server(url)
    try:
        with reading(engine) as connection:
            version = _version(connection)
        if version != schema.version:
            _bring_up(engine, schema)
        path = file_of(engine)
        if path is not None:
            _watch(engine, _Files(path))
    except BaseException:
        engine.dispose()
        raise
    return engine


def _watch(engine: Engine, opened: _Files) -> None:
    """Let each transaction check first that the files are still in their place."""

    def begin(connection: Connection) -> None:
        opened.check()
        if not connection.get_execution_options().get(_READ_ONLY):
            opened.check_beside(connection.connection.info)

    def connect(*_: object) -> None:
        opened.check()  # SQLite would make an empty file in its place

    event.listen(engine, "begin", begin)
    event.listen(engine, "do_connect", connect)


def _version(connection: Connection) -> str | None:
    """Return the name of the last migration of a database; None before the first one."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar()


def _bring_up(engine: Engine, schema: Schema) -> None:
    with _changing_tables(engine) as connection:
        version = _version(connection)  # another process may have been faster
        if version == schema.version:
            return
        have = inspect(connection).get_table_names()
        if version is None and schema.tables.tables.keys().isdisjoint(have):
            schema.tables.create_all(connection)
            _VERSION.create(connection)
            connection.execute(_VERSION.insert().values(version_num=schema.version))
            return
        from triseal import migrate  # takes long to load, and is rarely needed

        if version is not None and version not in migrate.names(schema.migrations):
            raise DatabaseNewer(f"it is of version {version}, this program of {schema.version}")
        migrate.upgrade(connection, schema.migrations)


@contextlib.contextmanager
def _changing_tables(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that changes tables; each other process that wants to do so waits.

    To change a column, SQLite needs a copy of the table that takes the place of the table. This is
    impossible while SQLite enforces foreign keys, and they can't be switched within a transaction.
    """
    with _understood(engine), engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            _enforce_foreign_keys(connection, "OFF")
        try:
            with connection.begin():
                if not sqlite:
                    lock = text("SELECT pg_advisory_xact_lock(:n)")
                    connection.execute(lock, {"n": _TABLES_LOCK})
                yield connection
                if sqlite and (broken := connection.exec_driver_sql(_BROKEN_KEYS).first()):
                    raise DatabaseUnusable(f"a row of {broken.table} refers to a row that is gone")
        finally:
            if sqlite:
                _enforce_foreign_keys(connection, "ON")


def _enforce_foreign_keys(connection: Connection, switch: str) -> None:
    driver: Any = connection.connection.driver_connection  # SQLAlchemy would begin a transaction
    driver.execute(f"PRAGMA foreign_keys = {switch}")


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads: a consistent snapshot that blocks nobody.

    Args:
        engine: the database.

    Raises:
        DatabaseUnusable: the database can't be read.
    """
    options = {_READ_ONLY: True}
    with _understood(engine), engine.execution_options(**options).connect() as connection:
        yield connection


@contextlib.contextmanager
def writing(engine: Engine, *, repeatable: bool = False) -> Iterator[Connection]:
    """Open a transaction that writes. An exception in the block undoes everything.

    Args:
        engine: the database.
        repeatable: whether a power cut may undo it afterwards, because it is done again then.
            Otherwise SQLite keeps others from writing until the disk has what was written.

    Raises:
        DatabaseUnusable: the database can't be written; nothing has changed.
        sqlalchemy.exc.IntegrityError: the block broke a constraint; nothing has changed.
    """
    chosen = engine.execution_options(**{_REPEATABLE: True}) if repeatable else engine
    with _understood(engine), chosen.begin() as connection:
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


def resolved(where: str) -> str:
    """Return a path or URL that means the same database in every folder.

    Args:
        where: as for `open_database`.

    Raises:
        DatabaseUnusable: it is no path or URL, or a database in memory, which ends with a command.
    """
    url = _url(where)
    if url.get_backend_name() != "sqlite":
        return where
    name = url.database or ""
    if not name or name == ":memory:" or name.startswith("file:"):
        raise DatabaseUnusable(f"{where!r} names no file that stays")
    path = _absolute(name)
    return (
        str(path)
        if ":" not in where
        else url.set(database=str(path)).render_as_string(hide_password=False)
    )


def _absolute(path: str | Path) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise DatabaseUnusable(f"{path} is in the home of an unknown user") from None


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    values: Sequence[str],
) -> None:
    """Insert rows; where a row with the same primary key exists, update some of its columns.

    On PostgreSQL two transactions that write several of the same rows must use the same order.

    Args:
        connection: a writing transaction.
        table: the table.
        rows: the rows, values by column; all of them have the same columns.
        values: names of the columns to update.
    """
    if not rows:
        return
    dialect: Any = importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    statement = dialect.insert(table)
    update = {name: statement.excluded[name] for name in values}
    keys = list(table.primary_key.columns)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=update), rows)


def _url(where: str | Path) -> URL:
    if isinstance(where, Path) or ":" not in where:
        return URL.create("sqlite", database=str(_absolute(where)))
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
            state_folder.make(path.parent)
            # The file is created here, since SQLite's other files get their mode from it.
            if not path.exists():
                path.touch(mode=files.PRIVATE)
                path.chmod(files.PRIVATE)  # whatever the umask
        except OSError as error:
            kind = _OS_KINDS.get(error.errno or 0, DatabaseUnusable)
            raise kind(f"{path}: {error.strerror}") from None
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    if (file := file_of(engine)) is not None:
        event.listen(engine, "do_connect", lambda *_: _check_room(file))
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _check_room(path: Path) -> None:
    """Check that the disk has room for SQLite's index of the log, which is mapped into memory.

    Some file systems find room for a page only when it is written: ext4 with blocks of 1 KiB, and
    btrfs. If there is none, the kernel ends the process without a word (SIGBUS).

    Args:
        path: the database.

    Raises:
        DiskFull: there is too little room.
    """
    index = path.with_name(path.name + "-shm")
    with contextlib.suppress(OSError):
        if index.stat().st_blocks * 512 >= _INDEX:  # another process has it open
            return
    found = os.statvfs(path.parent)
    room = found.f_frsize * (found.f_bavail if os.geteuid() else found.f_bfree)
    if found.f_blocks and room < _LEAST_ROOM:
        raise DiskFull(f"{path}: less than {_LEAST_ROOM >> 10} KiB are free")


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # otherwise the driver begins transactions itself
    try:
        for pragma in ("journal_mode = WAL", f"synchronous = {_DURABLE}", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()  # it is in no pool yet; SQLAlchemy closes it only from 2.1 on
        raise


def _begin_sqlite(connection: Connection) -> None:
    options, info = connection.get_execution_options(), connection.connection.info
    if options.get(_READ_ONLY):
        connection.exec_driver_sql("BEGIN")
        return
    wanted = "NORMAL" if options.get(_REPEATABLE) else _DURABLE
    if info.get(_SYNCHRONOUS, _DURABLE) != wanted:
        connection.exec_driver_sql(f"PRAGMA synchronous = {wanted}")
        info[_SYNCHRONOUS] = wanted
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _open_server(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise DatabaseUnusable("no driver: pip install 'triseal[postgres]'") from None


@contextlib.contextmanager
def _understood(engine: Engine) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (DatabaseError, InterfaceError, PoolExhausted, sqlite3.DatabaseError) as error:
        cause: Any = getattr(error, "orig", None) or error
        restoring = getattr(cause, "sqlstate", None) in _RESTORING
        if isinstance(error, ProgrammingError) and not restoring:
            raise
        lines = str(cause).strip().splitlines()
        text = lines[0] if lines else type(cause).__name__
        raise _failure(_kind(cause), text, file_of(engine)) from error


def _failure(kind: type[DatabaseUnusable], detail: str, path: Path | None) -> DatabaseUnusable:
    """Return the error, which names the file if there is one.

    SQLite needs new files in the folder, and says only that it can't open them: it is the same for
    it whether that is forbidden, the disk is full, or it is mounted read-only.
    """
    if path is None:
        return kind(detail)
    number = files.trouble(path.parent) if kind is DatabaseReadOnly else 0
    if number in _OS_KINDS:
        kind, detail = _OS_KINDS[number], os.strerror(number)
    return kind(f"{path}: {detail}")


# Beginnings of the names of SQLite's result codes, and of PostgreSQL's SQLSTATEs.
_KINDS: dict[str, type[DatabaseUnusable]] = {
    "SQLITE_BUSY": DatabaseLocked,
    "SQLITE_LOCKED": DatabaseLocked,
    "SQLITE_READONLY": DatabaseReadOnly,
    "SQLITE_PERM": DatabaseReadOnly,
    "SQLITE_CANTOPEN": DatabaseReadOnly,
    "SQLITE_FULL": DiskFull,
    "SQLITE_IOERR_SHMSIZE": DiskFull,  # SQLite's index of the log finds no room
    "08": DatabaseUnreachable,
    "28": DatabaseUnreachable,
    "3D000": DatabaseUnreachable,
    "53100": DiskFull,
    "53300": DatabaseUnreachable,
    "55P03": DatabaseLocked,
    "57P": DatabaseUnreachable,
    "25006": DatabaseReadOnly,
    "42501": DatabaseReadOnly,
}


_OS_KINDS: dict[int, type[DatabaseUnusable]] = {
    errno.EROFS: DatabaseOnReadOnlyDisk,
    errno.EACCES: DatabaseReadOnly,
    errno.EPERM: DatabaseReadOnly,
    errno.ENOSPC: DiskFull,
    errno.EDQUOT: DiskFull,
}


def _kind(cause: object) -> type[DatabaseUnusable]:
    name = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    if name is None:  # a connection that was never made has no SQLSTATE
        is_server = type(cause).__module__.partition(".")[0] == "psycopg"
        return DatabaseUnreachable if is_server else DatabaseUnusable
    found = [kind for begin, kind in _KINDS.items() if str(name).startswith(begin)]
    return found[0] if found else DatabaseUnusable
