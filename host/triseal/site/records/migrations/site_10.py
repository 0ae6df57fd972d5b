"""Labels of nodes, what nodes say about themselves, and rules that deploy by a selector."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, String, false

revision = "site_10"
down_revision = "site_9"


def upgrade() -> None:
    """Create the tables, and mark the assignments of rules: so far there are none."""
    op.create_table(
        "labels",
        Column("node", String(63), primary_key=True),
        Column("key", String(32), primary_key=True),
        Column("value", String(64), nullable=False),
    )
    op.create_table(
        "facts",
        Column("node", String(63), primary_key=True),
        Column("key", String(32), primary_key=True),
        Column("value", String(64), nullable=False),
        Column("told_at", BigInteger, nullable=False),
    )
    op.create_table(
        "deploy_rules",
        Column("service", String(63), ForeignKey("services.name"), primary_key=True),
        Column("selector", String(1024), primary_key=True),
        Column("added_at", BigInteger, nullable=False),
    )
    by_rule: Column[bool] = Column("by_rule", Boolean, nullable=False, server_default=false())
    op.add_column("assignments", by_rule)
