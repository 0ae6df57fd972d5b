"""What nodes say about their present condition."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

revision = "site_11"
down_revision = "site_10"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "vitals",
        Column("node", String(63), primary_key=True),
        Column("heap", BigInteger, nullable=False),
        Column("flash", BigInteger, nullable=False),
        Column("uptime", BigInteger, nullable=False),
        Column("settings", Integer, nullable=False),
        Column("gave_up", Integer, nullable=False),
        Column("address", String(64), nullable=False),
        Column("told_at", BigInteger, nullable=False),
    )
    op.create_index("facts_by_time", "facts", ["told_at"])
