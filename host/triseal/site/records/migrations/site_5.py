"""The number of falls of each service, for rollouts."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer

revision = "site_5"
down_revision = "site_4"


def upgrade() -> None:
    """Add the column."""
    column: Column[int] = Column("falls", Integer, nullable=False, server_default="0")
    op.add_column("holdings", column)
