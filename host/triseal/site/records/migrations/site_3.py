"""The triggers that count changes also note which places were changed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, String

revision = "site_3"
down_revision = "site_2"

# Tables, the columns whose update counts ("" for all, None if only a new row counts), and the
# columns that name node and service.
_WATCHED: tuple[tuple[str, str | None, str, str], ...] = (
    ("site", "", "", ""),
    ("bundles", "", "", ""),
    ("nodes", " OF spki, retired_at", "name", ""),
    ("services", "", "", "name"),
    ("grants", "", "node", "service"),
    ("releases", "", "node", "service"),
    ("assignments", "", "node", "service"),
    ("restarts", None, "node", "service"),
)
_COUNT = "UPDATE revision SET number = number + 1"
_TOUCH_ROW = (
    "INSERT INTO touched (node, service, number) SELECT coalesce(place->>TG_ARGV[0], ''),"
    " coalesce(place->>TG_ARGV[1], ''), revision.number FROM revision"
)
_TOUCH = "ON CONFLICT (node, service) DO UPDATE SET number = excluded.number"


def upgrade() -> None:
    """Create the table of changed places, and make all triggers anew."""
    op.create_table(
        "touched",
        Column("node", String(63), primary_key=True),
        Column("service", String(63), primary_key=True),
        Column("number", Integer, nullable=False, index=True),
    )
    if op.get_bind().dialect.name == "postgresql":
        _postgresql()
    else:
        _sqlite()


def _events(columns: str | None) -> tuple[str, ...]:
    return ("INSERT",) if columns is None else ("INSERT", "DELETE", f"UPDATE{columns}")


def _sqlite() -> None:
    for table, columns, node, service in _WATCHED:
        for number, what in enumerate(_events(columns)):
            row = "OLD" if what == "DELETE" else "NEW"
            place = ", ".join(f"{row}.{column}" if column else "''" for column in (node, service))
            touch = f"INSERT INTO touched (node, service, number) SELECT {place}, number"
            op.execute(f"DROP TRIGGER revision_{table}_{number}")
            op.execute(
                f"CREATE TRIGGER revision_{table}_{number} AFTER {what} ON {table}"
                f" BEGIN {_COUNT}; {touch} FROM revision WHERE true {_TOUCH}; END"
            )


def _postgresql() -> None:
    op.execute("DROP FUNCTION count_revision CASCADE")
    op.execute(
        "CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql AS $$"
        " DECLARE place jsonb; BEGIN"
        " IF TG_OP = 'DELETE' THEN place = to_jsonb(OLD); ELSE place = to_jsonb(NEW); END IF;"
        f" {_COUNT}; {_TOUCH_ROW} {_TOUCH}; RETURN NULL; END $$"
    )
    for table, columns, node, service in _WATCHED:
        events = " OR ".join(_events(columns))
        op.execute(
            f"CREATE TRIGGER revision_{table} AFTER {events} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION count_revision('{node}', '{service}')"
        )
