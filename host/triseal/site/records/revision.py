"""The revision: a number that grows with every change of the desired state.

The database itself counts, with triggers: no command can forget it, and each server process sees
what another process has changed. With the number, the triggers note which places were changed, so
that a server reads only those again. The observed state (`holdings`, `heard_at`) does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Integer, String, Table, event, select, text

from triseal import database
from triseal.site.records import tables
from triseal.site.records.placement import Place

EVERY = ""  # in a change: every node, or every service
EVERYTHING = Place(EVERY, EVERY)

revision = Table(
    "revision",
    tables.metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("number", Integer, nullable=False),
)

_CURRENT = select(revision.c.number)
_HELD = _CURRENT.with_for_update(read=True)

# The last change of each place. No place is listed twice, so that the table stays small.
touched = Table(
    "touched",
    tables.metadata,
    Column("node", String(63), primary_key=True),  # EVERY: a change for all nodes
    Column("service", String(63), primary_key=True),  # EVERY: a change for all services
    Column("number", Integer, nullable=False, index=True),  # the revision after the change
)


class _Watched(NamedTuple):
    """A table whose changes count.

    Attributes:
        columns: the columns whose update counts: "" for all, None if only a new row counts.
        node, service: the columns that name the place, "" if there is none.
    """

    table: str
    columns: str | None = ""
    node: str = ""
    service: str = ""


_WATCHED = (
    _Watched("site"),
    _Watched("bundles"),
    _Watched("nodes", " OF spki, retired_at", node="name"),
    _Watched("services", service="name"),
    _Watched("grants", node="node", service="service"),
    _Watched("releases", node="node", service="service"),
    _Watched("assignments", node="node", service="service"),
    _Watched("settings_versions", node="node"),
    # When a restart is done, no node needs to hear of it.
    _Watched("restarts", None, node="node", service="service"),
)
_COUNT = "UPDATE revision SET number = number + 1"
_TOUCH_ROW = (
    "INSERT INTO touched (node, service, number) SELECT coalesce(place->>TG_ARGV[0], ''),"
    " coalesce(place->>TG_ARGV[1], ''), revision.number FROM revision"
)
_TOUCH = "ON CONFLICT (node, service) DO UPDATE SET number = excluded.number"


def current(connection: Connection, *, hold: bool = False) -> int:
    """Return the revision.

    Args:
        connection: any transaction; a writing one with `hold`.
        hold: whether to keep the revision from changing until the transaction ends. Several
            transactions may hold it at the same time.
    """
    return int(connection.execute(_HELD if hold else _CURRENT).scalar_one())


def changed(connection: Connection, since: int, newest: int) -> list[Place]:
    """Return the places that have changed between two revisions.

    Args:
        connection: any transaction.
        since: the older revision; 0 if none was read before.
        newest: the present revision.

    Returns: the places, in which EVERY stands for all nodes or all services.
    """
    if since == newest:
        return []
    if not 0 < since < newest:  # the database was replaced by a backup
        return [EVERYTHING]
    table = touched.c
    query = select(table.node, table.service).where(table.number > since)
    return [Place(row.node, row.service) for row in connection.execute(query)]


def jump(connection: Connection, number: int) -> None:
    """Set the revision to a higher number, after which everything counts as changed.

    Args:
        connection: a writing transaction.
        number: the new revision.
    """
    connection.execute(revision.update().values(number=number))
    row = {"node": EVERY, "service": EVERY, "number": number}
    database.upsert(connection, touched, [row], ("number",))


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
    for table, columns, node, service in _WATCHED:
        for number, what in enumerate(_events(columns)):
            row = "OLD" if what == "DELETE" else "NEW"
            place = ", ".join(f"{row}.{column}" if column else "''" for column in (node, service))
            touch = f"INSERT INTO touched (node, service, number) SELECT {place}, number"
            yield (
                f"CREATE TRIGGER revision_{table}_{number} AFTER {what} ON {table}"
                f" BEGIN {_COUNT}; {touch} FROM revision WHERE true {_TOUCH}; END"
            )


def _postgresql() -> Iterator[str]:
    yield (
        "CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql AS $$"
        " DECLARE place jsonb; BEGIN"
        " IF TG_OP = 'DELETE' THEN place = to_jsonb(OLD); ELSE place = to_jsonb(NEW); END IF;"
        f" {_COUNT}; {_TOUCH_ROW} {_TOUCH}; RETURN NULL; END $$"
    )
    for table, columns, node, service in _WATCHED:
        events = " OR ".join(_events(columns))
        yield (
            f"CREATE TRIGGER revision_{table} AFTER {events} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION count_revision('{node}', '{service}')"
        )


event.listen(tables.metadata, "after_create", _install)
