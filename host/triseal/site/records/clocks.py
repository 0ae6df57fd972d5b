"""The table of the clocks of all computers that have served the site; see `triseal.site.clock`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, String, Table

from triseal.site.records import tables

# A person who accepts the time empties the table.
clocks = Table(
    "clocks",
    tables.metadata,
    Column("host", String(255), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
    Column("doubted", Boolean, nullable=False),
    Column("ahead_ms", BigInteger),  # lead of the clock over the counter, see `clock.since_boot`
    Column("signed_ms", BigInteger),  # lead of the signed time over the clock
)
