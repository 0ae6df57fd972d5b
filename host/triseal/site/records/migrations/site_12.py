"""Settings of nodes that the site decides. A new version counts as a change for its node."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, String

revision = "site_12"
down_revision = "site_11"

_COUNT = "UPDATE revision SET number = number + 1"
_TOUCH = "ON CONFLICT (node, service) DO UPDATE SET number = excluded.number"


def upgrade() -> None:
    """Create the tables and the triggers."""
    op.create_table(
        "node_settings",
        Column("node", String(63), primary_key=True),
        Column("key", String(128), primary_key=True),
        Column("value", LargeBinary, nullable=False),
        Column("secret", Boolean, nullable=False),
        Column("shown", String(1024), nullable=False),
    )
    op.create_table(
        "settings_versions",
        Column("node", String(63), primary_key=True),
        Column("version", Integer, nullable=False),
        Column("changed_at", BigInteger, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER revision_settings_versions AFTER INSERT OR DELETE OR UPDATE ON"
            " settings_versions FOR EACH ROW EXECUTE FUNCTION count_revision('node', '')"
        )
        return
    for number, (what, row) in enumerate((("INSERT", "NEW"), ("DELETE", "OLD"), ("UPDATE", "NEW"))):
        touch = f"INSERT INTO touched (node, service, number) SELECT {row}.node, '', number"
        op.execute(
            f"CREATE TRIGGER revision_settings_versions_{number} AFTER {what} ON settings_versions"
            f" BEGIN {_COUNT}; {touch} FROM revision WHERE true {_TOUCH}; END"
        )
