"""What Stores have told: their decisions, and the lists of their keys."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, LargeBinary, String

revision = "site_7"
down_revision = "site_6"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "store_changes",
        Column("store", String(64), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("der", LargeBinary, nullable=False),
    )
    op.create_table(
        "store_lists",
        Column("store", String(64), primary_key=True),
        Column("der", LargeBinary, nullable=False),
    )
