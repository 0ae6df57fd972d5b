"""The last signed trust bundle counts, and nodes say which one they have.

Tables that repeated what it holds are dropped.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, LargeBinary

revision = "site_2"
down_revision = "site_1"


def upgrade() -> None:
    """Drop the tables from which older programs made the next bundle, and add a column."""
    for table in ("authorities", "developers"):
        op.drop_table(table)
    op.add_column("nodes", Column("bundle_mark", LargeBinary))
