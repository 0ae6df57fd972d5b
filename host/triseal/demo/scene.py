"""The parties of the demo, in a temporary folder: developer, Store, site and virtual board."""

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
from triseal.demo import shop
from triseal.demo.shop import Shop
from triseal.developer import home as developer_home
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.keysource import NewKey
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

LIFETIME = Founding("house").lifetime

_YEAR = 365 * 86400


@dataclass
class Scene:
    """The parties, and what they have made so far.

    Attributes:
        folder: folder of all files.
        developer, store, site: the parties.
        shop: the server of the Store, once there is one.
        at_cable: the board, once there is one.
        signed: packages by service, as the developer signed them.
        sealed: packages by service, as the Store returned them.
        deployed: deployments on the node, by service.
    """

    folder: Path
    developer: Developer
    store: Store
    site: Manager
    shop: Shop | None = None
    at_cable: Board | None = None
    signed: dict[str, Package] = field(default_factory=dict)
    sealed: dict[str, Package] = field(default_factory=dict)
    deployed: dict[str, Deployment] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The URL of the Store's server. Raises LookupError if there is none."""
        if self.shop is None:
            raise LookupError("this scene has no server of the Store")
        return self.shop.url

    @property
    def board(self) -> Board:
        """The board at the cable. Raises LookupError if there is none."""
        if self.at_cable is None:
            raise LookupError("this scene has no board")
        return self.at_cable

    def sign(
        self,
        service: str,
        executable: bytes,
        capabilities: list[str],
        version: str = "1.0",
        security_version: int = 1,
    ) -> Package:
        """Let the developer sign a release.

        Args:
            service: name of the service.
            executable: contents of its app.py.
            capabilities: the capabilities that it asks for.
            version: its version.
            security_version: its security version.
        """
        metadata = json.dumps({"capabilities": capabilities}).encode()
        release = Release(service, version, security_version, metadata)
        return sign(self.developer, release, "app.py", executable, validity())


@contextlib.contextmanager
def staged() -> Iterator[Scene]:
    """Set up all parties with new keys, the Store's server, and a running virtual board."""
    with parties() as made, shop.serving(made.folder) as made.shop:
        virtual = VirtualBoard(made.folder / "board", HEAP)
        with virtual, Board(virtual.port) as board:
            made.at_cable = board
            yield made


@contextlib.contextmanager
def parties(lifetime: int = LIFETIME) -> Iterator[Scene]:
    """Set up all parties but the board, with new keys.

    Args:
        lifetime: lifetime of the site's seals, seconds.
    """
    with (
        tempfile.TemporaryDirectory(prefix="triseal-demo-") as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        developer_home.init(folder / "dev", "Ada", NewKey())
        stores.init(folder / "store", "Demo Store", NewKey(), validity())
        home.init(folder / "site", Founding("house", lifetime=lifetime), None, now())
        store = Store(folder / "store", lambda: authority.unlock(folder / "store", _nobody))
        stack.callback(store.close)
        site = stack.enter_context(Manager(folder / "site", _nobody))
        yield Scene(folder, developer_home.unlock(folder / "dev", _nobody), store, site)


def now() -> int:
    """Return this computer's time, Unix seconds."""
    return int(time.time())


def validity() -> Validity:
    """Return a validity of a year that began a minute ago."""
    return Validity(now() - 60, now() + _YEAR)


def _nobody() -> bytes:
    raise AssertionError("the keys of the demo have no passphrase")
