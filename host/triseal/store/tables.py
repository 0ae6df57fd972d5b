"""The tables of the Store. Files are kept outside of the database, see `objects`."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from triseal.database import Schema

METADATA = MetaData()

DEVELOPERS = Table(
    "developers",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),  # of the key
    Column("name", String(64), nullable=False),
    Column("spki", LargeBinary, nullable=False),
    Column("request", LargeBinary, nullable=False),  # kept as proof
    Column("registered_at", BigInteger, nullable=False),  # Unix seconds, as all times here
    Column("approved_at", BigInteger),  # NULL until a person has approved the developer
)

# A name belongs to the developer who submitted it first.
SERVICES = Table(
    "services",
    METADATA,
    Column("name", String(63), primary_key=True),
    Column("owner", ForeignKey(DEVELOPERS.c.fingerprint), nullable=False),
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
    UniqueConstraint("service", "version"),
)
Index("releases_by_service", RELEASES.c.service, RELEASES.c.id)

SCHEMA = Schema(METADATA, "store_1", Path(__file__).with_name("migrations"))
