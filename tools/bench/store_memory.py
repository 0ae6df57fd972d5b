"""The most memory of a Store's server while ten developers upload 16 MiB each at once.

The baseline is the same server before anybody has connected.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from bench import Figure
from bench._store import Shop, served
from sealcore.limits import MAX_EXECUTABLE
from triseal.developer.home import Developer
from triseal.storelink import Link

_CLIENTS = 10


def measure() -> Iterator[Figure]:
    """Yield the peak of the resident memory of one process.

    Raises:
        FileNotFoundError: the system has no /proc.
    """
    with tempfile.TemporaryDirectory(prefix="triseal-bench-") as top:
        shop = Shop(Path(top) / "store", _CLIENTS)
        shop.store.close()
        with served(shop.home) as (url, pid):
            before = _peak(pid)
            failed: list[BaseException] = []

            def upload(who: Developer) -> None:
                try:
                    given = shop.package(who, who.name, "1.0", MAX_EXECUTABLE)
                    with Link(url) as link:
                        link.submit(given.der(), who.signer)
                except Exception as error:
                    failed.append(error)

            threads = [threading.Thread(target=upload, args=(who,)) for who in shop.developers]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            if failed:
                raise failed[0]
            peak = _peak(pid)
    yield Figure("store.memory", peak, "MiB", before)


def _peak(pid: int) -> float:
    """Return the most resident memory that a process has had, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmHWM")
