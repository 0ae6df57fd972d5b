"""The first migration: all tables of a Store as they were when migrations began.

A database from before has some of them, and gets the tables, columns and indexes that it lacks.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
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

revision = "store_1"
down_revision = None

TABLES = MetaData()
Table(
    "developers",
    TABLES,
    Column("fingerprint", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("spki", LargeBinary, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("registered_at", BigInteger, nullable=False),
    Column("approved_at", BigInteger),
)
Table(
    "services",
    TABLES,
    Column("name", String(63), primary_key=True),
    Column("owner", ForeignKey("developers.fingerprint"), nullable=False),
)
Table(
    "releases",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("service", ForeignKey("services.name"), nullable=False),
    Column("version", String(32), nullable=False),
    Column("security_version", BigInteger, nullable=False),
    Column("entry", String(16), nullable=False),
    Column("executable", String(64), nullable=False),
    Column("metadata", String(64), nullable=False),
    Column("developer_seal", LargeBinary, nullable=False),
    Column("store_seal", LargeBinary, nullable=False),
    Column("serial", String(32), nullable=False, unique=True),
    Column("submitted_at", BigInteger, nullable=False),
    UniqueConstraint("service", "version"),
    Index("releases_by_service", "service", "id"),
)


def upgrade() -> None:
    """Create what is missing."""
    migrate.complete(op.get_bind(), TABLES)
