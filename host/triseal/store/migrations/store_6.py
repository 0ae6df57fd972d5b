"""Where the files of a Store are. The first process that opens the database then enters it."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, String, Text

revision = "store_6"
down_revision = "store_5"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "places",
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("url", Text, nullable=False),
        Column("endpoint", Text, nullable=False),
        Column("folder", String(32), nullable=False),
    )
