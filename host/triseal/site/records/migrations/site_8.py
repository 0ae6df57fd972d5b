"""Nodes can be asked for another key."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary

revision = "site_8"
down_revision = "site_7"


def upgrade() -> None:
    """Add the columns."""
    key: Column[bytes] = Column("next_spki", LargeBinary)
    op.add_column("nodes", key)
    for name in ("rekey_at", "rekey_told_at"):
        moment: Column[int] = Column(name, BigInteger)
        op.add_column("nodes", moment)
