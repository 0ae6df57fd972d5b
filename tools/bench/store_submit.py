"""How many submissions a Store takes in a second: P-256, 10 KB, with the log and the proof.

The baseline is what each of them must do: check one signature, make one of the Store and two of the
log, and sync as many files and folders to the disk as a submission does.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import Figure
from bench._store import Shop

_COUNT = 60
_SIZE = 10_000


def measure() -> Iterator[Figure]:
    """Yield the submissions in a second of one process."""
    with tempfile.TemporaryDirectory(prefix="triseal-bench-") as top:
        shop = Shop(Path(top) / "store")
        (ada,) = shop.developers
        given = [shop.package(ada, "thermo", f"1.{number}", _SIZE) for number in range(_COUNT + 2)]
        shop.store.submit(given[0])
        syncs = _syncs(lambda: shop.store.submit(given[1]))
        began = time.perf_counter()
        for one in given[2:]:
            shop.store.submit(one)
        seconds = time.perf_counter() - began
        shop.store.close()
        bare = _bare(Path(top), syncs)
    yield Figure("store.submit", _COUNT / seconds, "1/s", _COUNT / bare)


def _syncs(call: Callable[[], object]) -> int:
    """Return how often a call syncs something to the disk."""
    count = 0
    real = os.fsync

    def counted(fd: Any) -> None:
        nonlocal count
        count += 1
        real(fd)

    os.fsync = counted
    try:
        call()
    finally:
        os.fsync = real
    return count


def _bare(top: Path, syncs: int) -> float:
    """Return the seconds of the signatures and syncs of all submissions alone."""
    store, log = ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate()
    how = ec.ECDSA(hashes.SHA256())
    signature = store.sign(b"x", how)
    public = store.public_key()
    began = time.perf_counter()
    for _ in range(_COUNT):
        public.verify(signature, b"x", how)
        store.sign(b"x", how)
        log.sign(b"x")
        log.sign(b"y")
        with (top / "file").open("ab") as stream:
            for _ in range(syncs):
                stream.write(b"x")
                stream.flush()
                os.fsync(stream.fileno())
    return time.perf_counter() - began
