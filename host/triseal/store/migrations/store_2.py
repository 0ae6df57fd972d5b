"""States: suspended developers, replaced keys, withdrawn releases, and all changes with reasons."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String

revision = "store_2"
down_revision = "store_1"


def upgrade() -> None:
    """Add the columns, and the table of changes with what keeps its rows as they are."""
    for table, name in (
        ("developers", "suspended_at"),
        ("developers", "replaced_at"),
        ("releases", "withdrawn_at"),
    ):
        column: Column[int] = Column(name, BigInteger)
        op.add_column(table, column)
    op.create_table(
        "changes",
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("time", BigInteger, nullable=False),
        Column("kind", String(32), nullable=False),
        Column("name", String(64), nullable=False),
        Column("version", String(64), nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("former", LargeBinary, nullable=False),
        Column("proof", LargeBinary, nullable=False),
        Column("reason", String(200), nullable=False),
        Column("who", String(64), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        for number, what in enumerate(("UPDATE", "DELETE")):
            op.execute(
                f"CREATE TRIGGER changes_stay_{number} BEFORE {what} ON changes"
                " BEGIN SELECT RAISE(ABORT, 'a change stays as it is'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION keep_changes() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'a change stays as it is'; END $$"
    )
    op.execute(
        "CREATE TRIGGER changes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON changes"
        " FOR EACH STATEMENT EXECUTE FUNCTION keep_changes()"
    )
