"""The tables of a site. Times are Unix seconds, certificates and keys are DER."""

from __future__ import annotations

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
    UniqueConstraint,
    select,
)

EVERY_NODE = ""  # in `grants.node` and `releases.node`: no node can have this name

metadata = MetaData()

site = Table(
    "site",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("name", String(63), nullable=False),
    Column("lifetime", Integer, nullable=False),  # of site seals, seconds
    Column("created_at", BigInteger, nullable=False),
)

# More than one while the site changes its key; the highest id signs.
authorities = Table(
    "authorities",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
)

stores = Table(
    "stores",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("spki", LargeBinary, nullable=False, unique=True),
    Column("certificate", LargeBinary, nullable=False),
)

developers = Table(
    "developers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("spki", LargeBinary, nullable=False),
    UniqueConstraint("name", "spki"),
)

bundles = Table(
    "bundles",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("der", LargeBinary, nullable=False),
)

nodes = Table(
    "nodes",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("spki", LargeBinary),  # NULL until it is enrolled
    Column("added_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    Column("heard_at", BigInteger),  # when it last told something
    Column("bundle_version", Integer),  # that it told
    # Seconds that it may run services after a power loss before it knows the time; at the most.
    Column("grace", Integer, nullable=False, server_default="0"),
    # By how many seconds its clock was behind the site's, and when; see `nodeclock`.
    Column("clock_behind", BigInteger),
    Column("clock_at", BigInteger),
    Column("reset_cause", String(32)),  # of its last reset, a word that it told
)

packages = Table(
    "packages",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the Store seal
    Column("service", String(63), nullable=False),
    Column("executable", LargeBinary, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
    Column("developer_seal", LargeBinary, nullable=False),
    Column("store_seal", LargeBinary, nullable=False),
    Column("added_at", BigInteger, nullable=False),
)

services = Table(
    "services",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("package", ForeignKey("packages.digest"), nullable=False),
    Column("service_version", String(32), nullable=False),
    Column("security_version", Integer, nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("service", ForeignKey("services.name"), primary_key=True),
    Column("node", String(63), primary_key=True),
    Column("grant", String(128), primary_key=True),
)

assignments = Table(
    "assignments",
    metadata,
    Column("node", ForeignKey("nodes.name"), primary_key=True),
    Column("service", ForeignKey("services.name"), primary_key=True),
    Column("assigned_at", BigInteger, nullable=False),
)

# What nodes get of a service instead of its newest package, while that is held back: under a node's
# own name what that node gets, under EVERY_NODE what all others get. See `releases`.
releases = Table(
    "releases",
    metadata,
    Column("service", ForeignKey("services.name"), primary_key=True),
    Column("node", String(63), primary_key=True),
    Column("package", ForeignKey("packages.digest"), nullable=False),
)

# What a node said that it holds: a serial of `seals`, and what became of the service.
holdings = Table(
    "holdings",
    metadata,
    Column("node", String(63), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("serial", LargeBinary, nullable=False),
    Column("state", String(64), nullable=False),
    Column("told_at", BigInteger, nullable=False),
    # How often the node has started it again since it booted.
    Column("restarts", Integer, nullable=False, server_default="0"),
)

# Everything that the authority issued. Certificates of nodes and of the SLSM whole; ...
certificates = Table(
    "certificates",
    metadata,
    Column("serial", LargeBinary, primary_key=True),
    Column("uri", String(256), nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("der", LargeBinary, nullable=False),
)

# One-time tokens of boards that are awaited: at most one for each node.
tokens = Table(
    "tokens",
    metadata,
    Column("node", ForeignKey("nodes.name"), primary_key=True),
    Column("point", LargeBinary, nullable=False),  # public half of the key that the token makes
    Column("expires_at", BigInteger, nullable=False),
    # Serial of what used it up; NULL until then. No foreign key: what expired long ago is pruned.
    Column("certificate", LargeBinary),
)

# ... site seals as what is fixed for long ...
templates = Table(
    "templates",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of `tbs`
    Column("node", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("tbs", LargeBinary, nullable=False),  # serial and times as in `template`
)

# ... and what every renewal changes. Together they give each seal back, octet by octet.
seals = Table(
    "seals",
    metadata,
    Column("serial", LargeBinary, primary_key=True),
    Column("template", ForeignKey("templates.digest"), nullable=False),
    Column("node", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Index("seals_by_place", "node", "service", "not_after"),
)


def lock_shared(connection: Connection) -> None:
    """Hold off changes until this transaction ends, but not other issuing."""
    connection.execute(select(site.c.id).with_for_update(read=True))


def lock(connection: Connection) -> None:
    """Hold off issuing and other changes until this transaction ends.

    What is issued afterwards sees the change; what was issued before is in the ledger. On SQLite
    every writing transaction is alone anyway.
    """
    connection.execute(select(site.c.id).with_for_update())
