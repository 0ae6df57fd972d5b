"""Brings an older database up to date: runs the migrations that it lacks, with Alembic.

A migration is a module with a function `upgrade`, see `site/records/migrations`. All of them run
in the caller's transaction, so that a database has all of them or keeps what it had, also on
SQLite. There is no way back except a backup.
"""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, text


def names(folder: Path) -> list[str]:
    """Return the names of all migrations, the newest one first.

    Args:
        folder: the folder of the migrations.
    """
    return [script.revision for script in _newest_first(_directory(folder))]


def upgrade(connection: Connection, folder: Path) -> None:
    """Run all migrations that a database lacks.

    Args:
        connection: a writing transaction that nobody else can have at the same time.
        folder: the folder of the migrations.
    """
    directory = _directory(folder)
    context = MigrationContext.configure(connection)
    done = context.get_current_revision()
    lacking = []
    for script in _newest_first(directory):
        if script.revision == done:
            break
        lacking.append(script)
    with Operations.context(context):
        for script in reversed(lacking):
            script.module.upgrade()
            context.stamp(directory, script.revision)


def complete(connection: Connection, tables: MetaData) -> set[str]:
    """Create the tables, columns and indexes that a database from before all migrations lacks.

    Args:
        connection: a writing transaction.
        tables: the tables as they were at the first migration.

    Returns: the names of the created tables.
    """
    have = set(inspect(connection).get_table_names())
    tables.create_all(connection)
    known = inspect(connection)
    compiler = connection.dialect.ddl_compiler(connection.dialect, None)  # type: ignore[arg-type]
    for table in tables.sorted_tables:
        columns = {column["name"] for column in known.get_columns(table.name)}
        for column in table.columns:
            if column.name not in columns:
                definition = compiler.get_column_specification(column)
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))
        indexes = {index["name"] for index in known.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in indexes:
                index.create(connection)
    return tables.tables.keys() - have


def _directory(folder: Path) -> ScriptDirectory:
    return ScriptDirectory(folder, version_locations=[folder])


def _newest_first(directory: ScriptDirectory) -> list[Script]:
    return list(directory.walk_revisions())
