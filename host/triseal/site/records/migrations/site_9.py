"""Trust bundles are signed by roots, and have hashes of developers: their names go into a table."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, LargeBinary, String, column, false, select, table

from sealcore import der, names, sealwriter
from sealcore.errors import SealError

revision = "site_9"
down_revision = "site_8"

_BUNDLES = table("bundles", column("der"))
_LISTS = 2  # before the developers, those of the site and of Stores


def upgrade() -> None:
    """Add a column and a table, and fill the table from the bundles of version 1."""
    changes: Column[bool] = Column("changes_roots", Boolean, nullable=False, server_default=false())
    op.add_column("bundles", changes)
    keys = op.create_table(
        "developer_keys",
        Column("entry", LargeBinary, primary_key=True),
        Column("name", String(64), nullable=False),
        Column("spki", LargeBinary, nullable=False),
    )
    found: dict[bytes, tuple[str, bytes]] = {}
    connection = op.get_bind()
    for data in connection.scalars(select(_BUNDLES.c.der)):
        try:
            found.update(_developers(bytes(data)))
        except SealError:
            continue  # a row that the site has not signed
    rows = [{"entry": entry, "name": name, "spki": spki} for entry, (name, spki) in found.items()]
    if rows:
        op.bulk_insert(keys, rows)


def _developers(bundle: bytes) -> dict[bytes, tuple[str, bytes]]:
    """Return name and key of each developer in a bundle of version 1, by hash."""
    tbs = der.single(bundle).enter()
    for _ in range(4 + _LISTS):  # label, version, site and time
        tbs.element()
    listed = tbs.enter()
    found = {}
    while listed.peek() >= 0:
        pair = listed.enter()
        name, spki = bytes(pair.element()), bytes(pair.element())
        entry = bytes(sealwriter.entry_hash(name, spki))
        found[entry] = str(names.common_name(name)), spki
    return found
