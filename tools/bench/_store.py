"""A Store with developers, and its server as a process of its own, for the benches."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triseal import request, signer
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.keysource import NewKey
from triseal.package import Package
from triseal.signer import KeySigner
from triseal.store import authority, store

SOURCE = b"async def main(ctx):\n    pass\n"
_YEAR = 365 * 86400


class Shop:
    """A Store with keys of P-256, in which developers are approved.

    Args:
        home: its folder.
        developers: their number.
    """

    def __init__(self, home: Path, developers: int = 1) -> None:
        now = int(time.time())
        self.validity = Validity(now - 60, now + _YEAR)
        store.init(home, "Shop", NewKey("p256"), Validity(now - 120, now + 2 * _YEAR))
        self.home = home
        self.store = store.Store(home, lambda: authority.unlock(home, bytes))
        self.developers = [self._developer(f"dev{number}") for number in range(developers)]

    def _developer(self, name: str) -> Developer:
        key = KeySigner(signer.generate("p256"))
        known = self.store.register(request.make(key, name))
        self.store.approve(known.fingerprint)
        return Developer(name, key)

    def package(self, who: Developer, service: str, version: str, size: int) -> Package:
        """Sign a release.

        Args:
            who: the developer.
            service: its name.
            version: its version.
            size: bytes of the executable, most of which are comments.
        """
        head = SOURCE + b"# " + version.encode()
        source = head + b"\n" + (b"#" + b"c" * 78 + b"\n") * ((size - len(head) - 1) // 80)
        return sign(who, Release(service, version, 1), "app.py", source, self.validity)


@contextmanager
def served(home: Path, *words: str) -> Iterator[tuple[str, int]]:
    """Run the server of a Store while the block runs; its URL and its process id.

    Args:
        home: the Store's folder.
        words: more options of `store serve`.
    """
    command = [sys.executable, "-m", "triseal", "store", "serve", "--home", str(home)]
    command += ["--listen", "127.0.0.1:0", "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            first = process.stdout.readline() if process.stdout else b""
            yield str(json.loads(first)["url"]), process.pid
        finally:
            process.terminate()
