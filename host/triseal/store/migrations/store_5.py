"""The nonces that were used, which all server processes of a Store share."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String

revision = "store_5"
down_revision = "store_4"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "nonces",
        Column("nonce", String(128), primary_key=True),
        Column("key", String(64), nullable=False),
        Column("made", BigInteger, nullable=False),
    )
    op.create_index("nonces_by_key", "nonces", ["key", "made"])
    op.create_index("nonces_by_time", "nonces", ["made"])
    op.create_table(
        "nonce_secret",
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("secret", LargeBinary, nullable=False),
    )
