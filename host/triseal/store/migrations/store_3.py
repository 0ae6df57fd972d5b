"""The log: the order of its entries. What was there before is entered with the next change."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String

revision = "store_3"
down_revision = "store_2"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "log",
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        Column("leaf", LargeBinary, nullable=False),
        Column("package", String(64), nullable=False),
        Column("seal", String(64), nullable=False),
        Column("service", String(63), nullable=False),
        Column("change", Integer, nullable=False),
    )
    op.create_index("log_by_package", "log", ["package"])
    op.create_index("log_by_seal", "log", ["seal"])
