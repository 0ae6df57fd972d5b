"""How long the audit of a Store's log takes: all of 100,000 entries is computed again.

The baseline is one SHA-256 for each entry and each node of the tree, which every audit must do.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import Figure
from triseal.log import audit, note
from triseal.log.entry import RELEASE, Entry
from triseal.log.policy import Policy
from triseal.log.writer import Folder, Writer

_ENTRIES = 100_000
_NOW = 1_795_000_000


def measure() -> Iterator[Figure]:
    """Yield the seconds of one core for an audit."""
    leaves = [_leaf(number) for number in range(_ENTRIES)]
    signer = note.Signer("example.com/log", note.LOG, Ed25519PrivateKey.generate())
    with tempfile.TemporaryDirectory() as top:
        folder = Folder(Path(top))
        Writer(folder, signer).extend(lambda size: leaves[size:])
        head = folder.head() or b""
        began = time.process_time()
        audit.audit(head, folder.read, Policy(logs=[signer.key]))
        seconds = time.process_time() - began
    began = time.process_time()
    for leaf in leaves:
        hashlib.sha256(b"\x00" + leaf).digest()
    for _ in range(_ENTRIES - 1):
        hashlib.sha256(bytes(65)).digest()
    yield Figure("store.audit", seconds, "s", time.process_time() - began)


def _leaf(number: int) -> bytes:
    mark = hashlib.sha256(str(number).encode()).digest()
    service, version = f"service{number % 500}", f"1.{number}"
    return Entry(RELEASE, _NOW + number, service, version, mark, mark, mark).der()
