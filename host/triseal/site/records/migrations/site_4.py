"""What a restored database may have lost."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer

revision = "site_4"
down_revision = "site_3"


def upgrade() -> None:
    """Create the table `losses`."""
    op.create_table(
        "losses",
        Column("id", Integer, primary_key=True),
        Column("noted_at", BigInteger, nullable=False),
        Column("until", BigInteger, nullable=False),
    )
