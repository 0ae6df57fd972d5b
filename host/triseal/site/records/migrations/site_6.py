"""The keys of the site, and how far a change of them has come."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String

revision = "site_6"
down_revision = "site_5"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "site_keys",
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("spki", LargeBinary, nullable=False, unique=True),
        Column("state", String(16), nullable=False),
        Column("since", Integer, nullable=False),
        Column("until", Integer),
        Column("prepared_at", BigInteger),
        Column("activated_at", BigInteger),
        Column("tainted_at", BigInteger),
        Column("revoked_at", BigInteger),
        Column("renewed_at", BigInteger),
    )
