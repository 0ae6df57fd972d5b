"""Quarantine of releases and services, archived services, limits of developers."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

revision = "store_4"
down_revision = "store_3"


def upgrade() -> None:
    """Add the columns and the table."""
    for table, name in (
        ("releases", "quarantined_at"),
        ("services", "archived_at"),
        ("services", "quarantined_at"),
    ):
        column: Column[int] = Column(name, BigInteger)
        op.add_column(table, column)
    op.create_table(
        "paces",
        Column("name", String(64), primary_key=True),
        Column("most_hourly", Integer),
        Column("most_bytes", Integer),
        Column("hour", BigInteger, nullable=False),
        Column("taken", Integer, nullable=False),
    )
