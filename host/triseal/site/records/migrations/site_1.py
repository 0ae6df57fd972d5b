"""The first migration: all tables of a site as they were when migrations began.

A database from before has some of them, and gets the tables, columns and indexes that it lacks.
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from triseal import migrate

revision = "site_1"
down_revision = None

TABLES = MetaData()
Table(
    "site",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("name", String(63), nullable=False),
    Column("lifetime", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
Table(
    "authorities",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
)
Table(
    "stores",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("spki", LargeBinary, nullable=False, unique=True),
    Column("certificate", LargeBinary, nullable=False),
)
Table(
    "developers",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("spki", LargeBinary, nullable=False),
    UniqueConstraint("name", "spki"),
)
Table(
    "bundles",
    TABLES,
    Column("version", Integer, primary_key=True),
    Column("der", LargeBinary, nullable=False),
)
Table(
    "nodes",
    TABLES,
    Column("name", String(63), primary_key=True),
    Column("spki", LargeBinary),
    Column("added_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    Column("heard_at", BigInteger),
    Column("bundle_version", Integer),
    Column("grace", Integer, nullable=False, server_default="0"),
    Column("clock_behind", BigInteger),
    Column("clock_at", BigInteger),
    Column("reset_cause", String(32)),
)
Table(
    "packages",
    TABLES,
    Column("digest", LargeBinary, primary_key=True),
    Column("service", String(63), nullable=False),
    Column("executable", LargeBinary, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
    Column("developer_seal", LargeBinary, nullable=False),
    Column("store_seal", LargeBinary, nullable=False),
    Column("added_at", BigInteger, nullable=False),
)
Table(
    "services",
    TABLES,
    Column("name", String(63), primary_key=True),
    Column("package", ForeignKey("packages.digest"), nullable=False),
    Column("service_version", String(32), nullable=False),
    Column("security_version", Integer, nullable=False),
)
Table(
    "grants",
    TABLES,
    Column("service", ForeignKey("services.name"), primary_key=True),
    Column("node", String(63), primary_key=True),
    Column("grant", String(128), primary_key=True),
)
Table(
    "assignments",
    TABLES,
    Column("node", ForeignKey("nodes.name"), primary_key=True),
    Column("service", ForeignKey("services.name"), primary_key=True),
    Column("assigned_at", BigInteger, nullable=False),
)
Table(
    "releases",
    TABLES,
    Column("service", ForeignKey("services.name"), primary_key=True),
    Column("node", String(63), primary_key=True),
    Column("package", ForeignKey("packages.digest"), nullable=False),
)
Table(
    "holdings",
    TABLES,
    Column("node", String(63), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("serial", LargeBinary, nullable=False),
    Column("state", String(64), nullable=False),
    Column("told_at", BigInteger, nullable=False),
    Column("restarts", Integer, nullable=False, server_default="0"),
)
Table(
    "certificates",
    TABLES,
    Column("serial", LargeBinary, primary_key=True),
    Column("uri", String(256), nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("der", LargeBinary, nullable=False),
)
Table(
    "tokens",
    TABLES,
    Column("node", ForeignKey("nodes.name"), primary_key=True),
    Column("point", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("certificate", LargeBinary),
)
Table(
    "templates",
    TABLES,
    Column("digest", LargeBinary, primary_key=True),
    Column("node", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("tbs", LargeBinary, nullable=False),
)
Table(
    "seals",
    TABLES,
    Column("serial", LargeBinary, primary_key=True),
    Column("template", ForeignKey("templates.digest"), nullable=False),
    Column("node", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Index("seals_by_place", "node", "service", "not_after"),
    Index("seals_by_end", "not_after"),
    Index("seals_by_template", "template"),
)
Table(
    "clocks",
    TABLES,
    Column("host", String(255), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
    Column("doubted", Boolean, nullable=False),
    Column("ahead_ms", BigInteger),
    Column("signed_ms", BigInteger),
)
Table(
    "refusals",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("node", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("code", String(32), nullable=False),
    Column("detail", String(512), nullable=False),
    Column("evidence", LargeBinary, nullable=False),
    Column("told_at", BigInteger, nullable=False),
    Index("refusals_by_node", "node", "id"),
)
Table(
    "restarts",
    TABLES,
    Column("node", String(63), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("asked_at", BigInteger, nullable=False),
)
Table(
    "revision",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
)
Table(
    "twins",
    TABLES,
    Column("node", String(63), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)

# Tables, and the columns whose update counts: "" for all, None if only a new row counts.
WATCHED: tuple[tuple[str, str | None], ...] = (
    ("site", ""),
    ("bundles", ""),
    ("nodes", " OF spki, retired_at"),
    ("services", ""),
    ("grants", ""),
    ("releases", ""),
    ("assignments", ""),
    ("restarts", None),
)
_COUNT = "UPDATE revision SET number = number + 1"


def upgrade() -> None:
    """Create what is missing, with the triggers of the tables that are new."""
    made = migrate.complete(op.get_bind(), TABLES)
    if "revision" in made:
        op.execute("INSERT INTO revision (id, number) VALUES (1, 1)")
        count(WATCHED)
        return
    for table, columns in WATCHED:
        if table in made:
            create_triggers(table, columns)


def count(watched: Sequence[tuple[str, str | None]]) -> None:
    """Create the first triggers of a database.

    Args:
        watched: see `WATCHED`.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ BEGIN {_COUNT}; RETURN NULL; END $$"
        )
    for table, columns in watched:
        create_triggers(table, columns)


def create_triggers(table: str, columns: str | None) -> None:
    """Let changes of a table count.

    Args:
        table: name of the table.
        columns: see `WATCHED`.
    """
    events = ("INSERT",) if columns is None else ("INSERT", "DELETE", f"UPDATE{columns}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER revision_{table} AFTER {' OR '.join(events)} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION count_revision()"
        )
        return
    for number, what in enumerate(events):
        name = f"revision_{table}_{number}"
        op.execute(f"CREATE TRIGGER {name} AFTER {what} ON {table} BEGIN {_COUNT}; END")
