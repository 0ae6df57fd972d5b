"""The keys of the site's SLCA, and how far the change from one to the next has come.

Without a row the site has only the key that it was made with, which is active. The public keys and
certificates are in files: whoever can write only to the database must not add a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, LargeBinary, String, Table, select

from triseal.site.records import tables

PREPARED = "prepared"  # nodes learn of it; it signs nothing
ACTIVE = "active"  # it signs
OLD = "old"  # it was active; its seals are renewed when their time comes
TAINTED = "tainted"  # nodes were told to renew its seals now
REVOKED = "revoked"  # it has left the trust bundle

STATES = (PREPARED, ACTIVE, OLD, TAINTED, REVOKED)

site_keys = Table(
    "site_keys",
    tables.metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("spki", LargeBinary, nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    # Versions of the trust bundle: the first one with the key, and the first one without it again.
    Column("since", Integer, nullable=False),
    Column("until", Integer),
    # When each step was done, Unix seconds.
    Column("prepared_at", BigInteger),
    Column("activated_at", BigInteger),
    Column("tainted_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("renewed_at", BigInteger),  # its CA certificate
)
_ALL = select(site_keys).order_by(site_keys.c.number)


@dataclass(frozen=True)
class SiteKey:
    """A key of the site's SLCA.

    Attributes:
        number: 1 for the key that the site was made with.
        spki: the public key, DER SubjectPublicKeyInfo.
        state: one of STATES.
        since: version of the first trust bundle with the key.
        until: version of the first trust bundle without it again; None while it is in the bundle.
        prepared_at, activated_at, tainted_at, revoked_at: when each step was done, Unix seconds;
            None if it was not, or nobody knows.
        renewed_at: when its CA certificate was renewed last, Unix seconds; None if it never was.
    """

    number: int
    spki: bytes
    state: str
    since: int
    until: int | None = None
    prepared_at: int | None = None
    activated_at: int | None = None
    tainted_at: int | None = None
    revoked_at: int | None = None
    renewed_at: int | None = None


def all_keys(connection: Connection) -> tuple[SiteKey, ...]:
    """Return all keys by number; none if the site never changed its key.

    Args:
        connection: any transaction.
    """
    rows = connection.execute(_ALL)
    return tuple(SiteKey(**row._mapping) for row in rows)


def add(connection: Connection, key: SiteKey) -> None:
    """Add a key.

    Args:
        connection: a writing transaction.
        key: the key.
    """
    connection.execute(site_keys.insert().values(vars(key)))


def update(connection: Connection, number: int, **values: Any) -> None:
    """Note a step of a key.

    Args:
        connection: a writing transaction.
        number: number of the key.
        values: the columns that change.
    """
    connection.execute(site_keys.update().where(site_keys.c.number == number).values(**values))
