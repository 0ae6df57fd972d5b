"""Nonces have turns. Those that were given out before are refused: they name none."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String

revision = "store_7"
down_revision = "store_6"


def upgrade() -> None:
    """Make the tables again, without rows: what they had was good for five minutes."""
    op.drop_table("nonces")
    op.drop_table("nonce_secret")
    op.create_table(
        "nonces",
        Column("nonce", String(128), primary_key=True),
        Column("key", String(64), nullable=False),
        Column("made", BigInteger, nullable=False),
        Column("turn", BigInteger, nullable=False),
    )
    op.create_index("nonces_by_key", "nonces", ["key", "made"])
    op.create_index("nonces_by_turn", "nonces", ["turn"])
    op.create_table(
        "nonce_turn",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("secret", LargeBinary, nullable=False),
        Column("number", BigInteger, nullable=False),
        Column("began", BigInteger, nullable=False),
    )
