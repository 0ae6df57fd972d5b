"""The revision: a number that grows with every change of the desired state.

The database itself counts, with triggers: no command can forget it, and each server process sees
what another process has changed. The observed state (`holdings`, `heard_at`) does not count.
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

# Table, and the columns whose update counts: "" for all, None if only a new row counts.
_WATCHED: tuple[tuple[str, str | None], ...] = (
    ("site", ""),
    ("bundles", ""),
    ("nodes", " OF spki, retired_at"),
    ("services", ""),
    ("grants", ""),
    ("releases", ""),
    ("assignments", ""),
    ("restarts", None),  # when a restart is done, no node needs to hear of it
)
_COUNT = "UPDATE revision SET number = number + 1"


def current(connection: Connection, *, hold: bool = False) -> int:
    """Return the revision.

    Args:
        connection: any transaction; a writing one with `hold`.
        hold: whether to keep the revision from changing until the transaction ends. Several
            transactions may hold it at the same time.
    """
    query = select(revision.c.number)
    return int(connection.execute(query.with_for_update(read=True) if hold else query).scalar_one())


def _install(_: object, connection: Connection, tables: list[Table], **__: Any) -> None:
    """Create counter and triggers; SQLAlchemy calls this after it has created all tables."""
    if revision not in tables:
        return
    connection.execute(revision.insert().values(id=1, number=1))
    for statement in _sqlite() if connection.dialect.name == "sqlite" else _postgresql():
        connection.execute(text(statement))


def _events(columns: str | None) -> tuple[str, ...]:
    if columns is None:
        return ("INSERT",)
    return "INSERT", "DELETE", f"UPDATE{columns}"


def _sqlite() -> Iterator[str]:
    for table, columns in _WATCHED:
        for number, what in enumerate(_events(columns)):
            name = f"revision_{table}_{number}"
            yield f"CREATE TRIGGER {name} AFTER {what} ON {table} BEGIN {_COUNT}; END"


def _postgresql() -> Iterator[str]:
    yield (
        "CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql"
        f" AS $$ BEGIN {_COUNT}; RETURN NULL; END $$"
    )
    for table, columns in _WATCHED:
        events = " OR ".join(_events(columns))
        yield (
            f"CREATE TRIGGER revision_{table} AFTER {events} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION count_revision()"
        )


event.listen(tables.metadata, "after_create", _install)
