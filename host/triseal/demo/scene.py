"""Who plays: a developer, a Store, a site and a virtual board, in a folder that goes away again."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from boards.board import Board
from boards.virtual.board import VirtualBoard
from triseal.certificate import Validity
from triseal.developer import home as desk
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.package import Package
from triseal.site import home
from triseal.site.deployment import Deployment
from triseal.site.home import Founding
from triseal.site.manager import Manager
from triseal.store import authority
from triseal.store import store as stores
from triseal.store.store import Store

NODE = "kitchen"
OTHER_NODE = "hall"
HEAP = "128k"

_YEAR = 365 * 86400


@dataclass
class Scene:
    """The parties, and what they have made so far.

    Attributes:
        folder: where all of it lies.
        developer, store, site, board: the parties.
        signed: packages by service, as the developer signed them.
        sealed: packages by service, as the Store gave them out.
        deployed: what the node runs, by service.
    """

    folder: Path
    developer: Developer
    store: Store
    site: Manager
    board: Board
    signed: dict[str, Package] = field(default_factory=dict)
    sealed: dict[str, Package] = field(default_factory=dict)
    deployed: dict[str, Deployment] = field(default_factory=dict)

    def sign(
        self,
        service: str,
        executable: bytes,
        capabilities: list[str],
        version: str = "1.0",
        security_version: int = 1,
    ) -> Package:
        """A release by the developer."""
        metadata = json.dumps({"capabilities": capabilities}).encode()
        release = Release(service, version, security_version, metadata)
        return sign(self.developer, release, "app.py", executable, validity())


@contextlib.contextmanager
def staged() -> Iterator[Scene]:
    """All parties with fresh keys, and a virtual board that runs."""
    with (
        tempfile.TemporaryDirectory(prefix="triseal-demo-") as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        desk.init(folder / "dev", "Ada", "rsa2048", None)
        stores.init(folder / "store", "Demo Store", "rsa2048", None, validity())
        home.init(folder / "site", Founding("house"), None, now())
        store = Store(folder / "store", lambda: authority.unlock(folder / "store", _nobody))
        stack.callback(store.close)
        site = stack.enter_context(Manager(folder / "site", _nobody))
        virtual = stack.enter_context(VirtualBoard(folder / "board", HEAP))
        board = stack.enter_context(Board(virtual.port))
        yield Scene(folder, desk.unlock(folder / "dev", _nobody), store, site, board)


def now() -> int:
    """This computer's time, Unix seconds."""
    return int(time.time())


def validity() -> Validity:
    """A year, from a minute ago."""
    return Validity(now() - 60, now() + _YEAR)


def _nobody() -> bytes:
    raise AssertionError("the keys of the demo have no passphrase")
