"""A number that grows with every change of what nodes should hold, whoever makes the change.

The database itself counts, by triggers: no command can forget it, and one server process among
several sees what another process changed. What nodes tell (`holdings`, `heard_at`) does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, Integer, Table, event, select, text

from triseal.site.records import tables

revision = Table(
    "revision",
    tables.metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("number", Integer, nullable=False),
)

# Table, and the columns whose update counts; "" for all, None where only a new row counts.
_WATCHED: tuple[tuple[str, str | None], ...] = (
    ("site", ""),
    ("bundles", ""),
    ("nodes", " OF spki, retired_at"),
    ("services", ""),
    ("grants", ""),
    ("releases", ""),
    ("assignments", ""),
    ("restarts", None),  # what a node has done is nothing that others must be told
)
_COUNT = "UPDATE revision SET number = number + 1"


def current(connection: Connection, *, hold: bool = False) -> int:
    """The revision.

    Args:
        hold: keep it from changing until this transaction, a writing one, ends. Others may hold
            it at the same time.
    """
    query = select(revision.c.number)
    return int(connection.execute(query.with_for_update(read=True) if hold else query).scalar_one())


def _install(_: object, connection: Connection, tables: list[Table], **__: Any) -> None:
    """Called when tables have been made, all of a new site or those that an older one lacked: the
    triggers come with the counter, and those of a table that came later with that table."""
    first = revision in tables
    made = {table.name for table in tables}
    watched = [one for one in _WATCHED if first or one[0] in made]
    if first:
        connection.execute(revision.insert().values(id=1, number=1))
    dialect = connection.dialect.name
    for statement in _sqlite(watched) if dialect == "sqlite" else _postgresql(watched, first=first):
        connection.execute(text(statement))


def _events(columns: str | None) -> tuple[str, ...]:
    if columns is None:
        return ("INSERT",)
    return "INSERT", "DELETE", f"UPDATE{columns}"


def _sqlite(watched: list[tuple[str, str | None]]) -> Iterator[str]:
    for table, columns in watched:
        for number, what in enumerate(_events(columns)):
            name = f"revision_{table}_{number}"
            yield f"CREATE TRIGGER {name} AFTER {what} ON {table} BEGIN {_COUNT}; END"


def _postgresql(watched: list[tuple[str, str | None]], *, first: bool) -> Iterator[str]:
    if first:
        yield (
            "CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ BEGIN {_COUNT}; RETURN NULL; END $$"
        )
    for table, columns in watched:
        events = " OR ".join(_events(columns))
        yield (
            f"CREATE TRIGGER revision_{table} AFTER {events} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION count_revision()"
        )


event.listen(tables.metadata, "after_create", _install)
