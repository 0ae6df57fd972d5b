"""The capacity of this machine, measured: signatures of one core, commits of one SQLite file."""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter, process_time

from triseal.signer import KeySigner, generate

_ENOUGH = 0.25  # seconds that each measurement takes


@dataclass(frozen=True)
class Capacity:
    """The rates of this machine.

    Attributes:
        signatures: RSA-2048 signatures per second of one core.
        commits: transactions of one row per second that SQLite commits (WAL, synchronous NORMAL).
    """

    signatures: float
    commits: float


@cache
def measure() -> Capacity:
    """Measure the capacity once, which takes half a second; later calls return the same result."""
    return Capacity(_signatures(), _commits())


def _signatures() -> float:
    signer = KeySigner(generate("rsa2048"))
    begin, count = process_time(), 0
    while process_time() - begin < _ENOUGH:
        signer.sign(b"to be signed %d" % count)
        count += 1
    return count / (process_time() - begin)


def _commits() -> float:
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "renewals.db", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute("CREATE TABLE renewal (serial BLOB PRIMARY KEY, node, service, seal)")
        begin, count = perf_counter(), 0
        while perf_counter() - begin < _ENOUGH:
            row = (count.to_bytes(16), "node-07", "service-23", bytes(800))
            database.execute("INSERT INTO renewal VALUES (?, ?, ?, ?)", row)
            count += 1
        elapsed = perf_counter() - begin
        database.close()
    return count / elapsed
