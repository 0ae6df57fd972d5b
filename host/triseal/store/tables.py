"""The tables of the Store. Files are kept outside of the database, see `objects`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from triseal.database import Schema

METADATA = MetaData()

# The keys of developers. The keys of one name are those of one developer: at most one of them is
# approved and not replaced.
DEVELOPERS = Table(
    "developers",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),  # of the key
    Column("name", String(64), nullable=False),
    Column("spki", LargeBinary, nullable=False),
    Column("request", LargeBinary, nullable=False),  # kept as proof
    Column("registered_at", BigInteger, nullable=False),  # Unix seconds, as all times here
    Column("approved_at", BigInteger),  # NULL until a person has approved the developer
    Column("suspended_at", BigInteger),  # NULL unless the Store seals nothing for the developer
    Column("replaced_at", BigInteger),  # NULL unless another key took its place
)

# A name belongs to the developer who submitted it first, whatever key it has now: `owner` is any
# key of that developer.
SERVICES = Table(
    "services",
    METADATA,
    Column("name", String(63), primary_key=True),
    Column("owner", ForeignKey(DEVELOPERS.c.fingerprint), nullable=False),
    Column("archived_at", BigInteger),  # NULL while the Store takes new releases
    Column("quarantined_at", BigInteger),  # NULL unless the Store holds all its releases back
)

RELEASES = Table(
    "releases",
    METADATA,
    Column("id", Integer, primary_key=True),  # in the order of submission
    Column("service", ForeignKey(SERVICES.c.name), nullable=False),
    Column("version", String(32), nullable=False),
    Column("security_version", BigInteger, nullable=False),
    Column("entry", String(16), nullable=False),
    Column("executable", String(64), nullable=False),  # name of an object
    Column("metadata", String(64), nullable=False),  # name of an object
    Column("developer_seal", LargeBinary, nullable=False),
    Column("store_seal", LargeBinary, nullable=False),
    Column("serial", String(32), nullable=False, unique=True),  # of the Store seal
    Column("submitted_at", BigInteger, nullable=False),
    Column("withdrawn_at", BigInteger),  # NULL while the Store offers it
    Column("quarantined_at", BigInteger),  # NULL unless the Store holds it back
    UniqueConstraint("service", "version"),
)
Index("releases_by_service", RELEASES.c.service, RELEASES.c.id)

# What people have decided, see `changes`. It only grows: the database refuses everything else.
CHANGES = Table(
    "changes",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, ... without a gap
    Column("time", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),  # see `changes`, as for all that follows
    Column("name", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("former", LargeBinary, nullable=False),
    Column("proof", LargeBinary, nullable=False),
    Column("reason", String(200), nullable=False),
    Column("who", String(64), nullable=False),
)


def _keep_changes(_: object, connection: Connection, **__: Any) -> None:
    """Let the database refuse what would change or remove a row of CHANGES."""
    if connection.dialect.name == "sqlite":
        statements = [
            f"CREATE TRIGGER changes_stay_{number} BEFORE {what} ON changes"
            " BEGIN SELECT RAISE(ABORT, 'a change stays as it is'); END"
            for number, what in enumerate(("UPDATE", "DELETE"))
        ]
    else:
        statements = [
            "CREATE FUNCTION keep_changes() RETURNS trigger LANGUAGE plpgsql AS $$"
            " BEGIN RAISE EXCEPTION 'a change stays as it is'; END $$",
            "CREATE TRIGGER changes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON changes"
            " FOR EACH STATEMENT EXECUTE FUNCTION keep_changes()",
        ]
    for statement in statements:
        connection.execute(text(statement))


event.listen(CHANGES, "after_create", _keep_changes)
# The order of the log's entries, for ever: 0, 1, ... without a gap. See `journal`.
LOG = Table(
    "log",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("package", String(64), nullable=False),  # hex of its hash in the entry; "" without one
    Column("seal", String(64), nullable=False),  # the same for the Store seal
    Column("service", String(63), nullable=False),  # as in the entry
    Column("change", Integer, nullable=False),  # number of the change that it is about, or 0
)
Index("log_by_package", LOG.c.package)
Index("log_by_seal", LOG.c.seal)


# Where the files of the Store are: the row with the highest number counts. See `places`.
PLACES = Table(
    "places",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),  # of the move
    Column("url", Text, nullable=False),  # of the bucket, without keys; "" for a home
    Column("endpoint", Text, nullable=False),
    Column("folder", String(32), nullable=False),  # see `storage.Whereabouts`
)

# The limits of developers, by name, and what they have submitted in the hour of the last
# submission: see `pace`.
PACES = Table(
    "paces",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("most_hourly", Integer),  # NULL: the default
    Column("most_bytes", Integer),  # NULL: the default
    Column("hour", BigInteger, nullable=False),
    Column("taken", Integer, nullable=False),
)

# The nonces that were used while they were good, and by which key: see `server.nonces`.
NONCES = Table(
    "nonces",
    METADATA,
    Column("nonce", String(128), primary_key=True),
    Column("key", String(64), nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("turn", BigInteger, nullable=False),  # in which it was made
)
Index("nonces_by_key", NONCES.c.key, NONCES.c.made)
Index("nonces_by_turn", NONCES.c.turn)

# What marks the nonces of this Store, and their turn: one row.
NONCE_TURN = Table(
    "nonce_turn",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("began", BigInteger, nullable=False),
)

SCHEMA = Schema(METADATA, "store_7", Path(__file__).with_name("migrations"))
