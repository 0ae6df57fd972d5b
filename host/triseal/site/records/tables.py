"""The tables of a site. Times are Unix seconds, certificates and keys are DER."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    false,
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

# The CA certificates of Stores, to tell when they end. The trust bundle says which one is trusted.
stores = Table(
    "stores",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("spki", LargeBinary, nullable=False, unique=True),
    Column("certificate", LargeBinary, nullable=False),
)

# The newest one that the site's roots have signed says whom the site trusts: no other row counts.
bundles = Table(
    "bundles",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("der", LargeBinary, nullable=False),
    # Whether it has other roots than the one before, so that no node may miss it.
    Column("changes_roots", Boolean, nullable=False, server_default=false()),
)

# Names and keys of developers, of whom trust bundles have only the hashes.
developer_keys = Table(
    "developer_keys",
    metadata,
    Column("entry", LargeBinary, primary_key=True),  # the hash, SHA-256
    Column("name", String(64), nullable=False),
    Column("spki", LargeBinary, nullable=False),
)

nodes = Table(
    "nodes",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("spki", LargeBinary),  # NULL until it is enrolled
    Column("added_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    Column("heard_at", BigInteger),  # when the node last sent something
    # Of the trust bundle that the node has, see `bundle.TrustBundle`. NULL in `bundle_mark`: an
    # older program has recorded the version.
    Column("bundle_version", Integer),
    Column("bundle_mark", LargeBinary),
    # The most seconds for which it may run services after a power loss before it knows the time.
    Column("grace", Integer, nullable=False, server_default="0"),
    # Seconds by which its clock was behind the site's, and when that was; see `node_clocks`.
    Column("clock_behind", BigInteger),
    Column("clock_at", BigInteger),
    Column("reset_cause", String(32)),  # reason for its last reset, a word from the node
    # A key that the node has made and not used yet; when a person wanted it, and when the node was
    # told. See `rekeying`.
    Column("next_spki", LargeBinary),
    Column("rekey_at", BigInteger),
    Column("rekey_told_at", BigInteger),
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
    # Whether rules alone have assigned it, see `deployrules`: then it goes with the last of them.
    Column("by_rule", Boolean, nullable=False, server_default=false()),
)

# The package that nodes get instead of the newest one, while that is held back: for one node under
# its name, for all other nodes under EVERY_NODE. See `releases`.
releases = Table(
    "releases",
    metadata,
    Column("service", ForeignKey("services.name"), primary_key=True),
    Column("node", String(63), primary_key=True),
    Column("package", ForeignKey("packages.digest"), nullable=False),
)

# The observed state: the serial that each node has said it holds, and the state of the service.
holdings = Table(
    "holdings",
    metadata,
    Column("node", String(63), primary_key=True),
    Column("service", String(63), primary_key=True),
    Column("serial", LargeBinary, nullable=False),
    Column("state", String(64), nullable=False),
    Column("told_at", BigInteger, nullable=False),
    # How often the node has restarted the service since the node booted.
    Column("restarts", Integer, nullable=False, server_default="0"),
    # How often the service has fallen: it no longer ran, or was started again.
    Column("falls", Integer, nullable=False, server_default="0"),
)

# Everything that the SLCA has issued. Certificates of nodes and of the SLSM are kept whole.
certificates = Table(
    "certificates",
    metadata,
    Column("serial", LargeBinary, primary_key=True),
    Column("uri", String(256), nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("der", LargeBinary, nullable=False),
)

# One-time tokens of expected boards: at most one for each node.
tokens = Table(
    "tokens",
    metadata,
    Column("node", ForeignKey("nodes.name"), primary_key=True),
    Column("point", LargeBinary, nullable=False),  # public key that belongs to the token
    Column("expires_at", BigInteger, nullable=False),
    # Serial of the certificate that used the token up, or NULL. It is not a foreign key, since
    # certificates that expired long ago are pruned.
    Column("certificate", LargeBinary),
)

# A site seal is kept in two parts: the template, which stays the same over many renewals, ...
templates = Table(
    "templates",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of `tbs`
    Column("node", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("tbs", LargeBinary, nullable=False),  # serial and times as in `template`
)

# ... and the part that each renewal changes. Together they give the exact bytes of each seal.
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
    # For `pruning`: which seals ended long ago, and whether any is left of a template. Without the
    # second one, each deleted template costs a search through all seals (the foreign key).
    Index("seals_by_end", "not_after"),
    Index("seals_by_template", "template"),
)


_ALONE = select(site.c.id).with_for_update()
_SHARED = select(site.c.id).with_for_update(read=True)


def lock_shared(connection: Connection) -> None:
    """Keep others from changing the site until this transaction ends. Others may still issue seals.

    Args:
        connection: a writing transaction.
    """
    connection.execute(_SHARED)


def lock(connection: Connection) -> None:
    """Keep others from issuing seals and changing the site until this transaction ends.

    Seals that are issued afterwards see the change, and those that were issued before are in the
    ledger. On SQLite every writing transaction is alone anyway.

    Args:
        connection: a writing transaction.
    """
    connection.execute(_ALONE)
