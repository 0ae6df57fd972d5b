"""A site and a board as the last program without roots left them.

`tests/vectors/version_1.json` was written at commit 3ebb532 by `LinkWorld`, as in `test_link`:
a site of P-256 keys trusts one Store and one developer; the node `kitchen` runs the service
`thermo`. All certificates last 15 years, so that they outlive the tests. It holds the text of the
site's files, the dump of its SQLite database, the board's folder `/triseal` in hexadecimal, and the
keys of developer and Store.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from boards.code import mpy, stage
from tests.worlds.link_world import LinkWorld
from tests.worlds.site_world import PASSPHRASE, Store
from triseal.developer.home import Developer
from triseal.signer import KeySigner
from triseal.site.manager import Manager, now

RECORDED = Path(__file__).parent.parent / "vectors/version_1.json"
NODE, SERVICE, BUNDLE = "kitchen", "thermo", 3


def recorded() -> Mapping[str, Any]:
    """The content of the file."""
    return json.loads(RECORDED.read_text("utf-8"))  # type: ignore[no-any-return]


class OldWorld(LinkWorld):
    """The recorded site in a folder, opened by the program of today.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        found = recorded()
        self.folder = folder / "site"
        self.folder.mkdir(parents=True)
        for name, text in found["site"].items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)
        with closing(sqlite3.connect(self.folder / "site.sqlite")) as connection:
            connection.executescript(found["database"])
        self._copied = None
        self.now = now()
        self.name = "house"
        self.developer = Developer("Ada", _key(found["developer"]))
        kept = found["store"]
        certificate = bytes.fromhex(kept["certificate"])
        self.store = Store("Store", _key(kept["key"]), certificate, kept["began"])
        self.node_keys = {}
        self.known = set()
        self.contexts = {}
        self.scratch = folder / "nodes"
        self.manager = self.open()

    def open(self) -> Manager:
        """The site as another process would open it."""
        return Manager(self.folder, lambda: PASSPHRASE)


def _key(pem: str) -> KeySigner:
    return KeySigner(load_pem_private_key(pem.encode(), None))  # type: ignore[arg-type]


def board(directory: Path) -> Path:
    """Make the recorded board, with the code of today, as the folder of a virtual board.

    Args:
        directory: an empty folder.
    """
    flash = directory / "flash"
    for file in stage.plan(mpy.Target(6, 3, "")):
        _write(flash / file.path.lstrip("/"), file.data)
    for name, data in recorded()["board"].items():
        _write(flash / "triseal" / name, bytes.fromhex(data))
    return directory


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
