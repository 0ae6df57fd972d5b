"""pytest on nodes: a whole site in a folder, for tests of services on boards.

    def test_it_blinks(deployed_service):
        node = deployed_service(Path("blink.py"), grants=["pin:2", "log"])
        assert node.wait_for("blink: on")

`boards.testing.plugin` says on which boards: `--board`, which may be repeated. Without it, a test
runs on a virtual board.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from boards.board import Board
    from boards.provision import Provisioned
    from triseal.package import Package
    from triseal.site.cable.agent import NodeStatus, ServiceStatus
    from triseal.site.cable.installation import Accepted

SECONDS = 30.0  # until a node says what a test waits for
_YEAR = 365 * 86400

DeployedService = Callable[..., "Node"]


class Site:
    """A developer, a Store and a site that trusts both, at a time that only goes where a test says.

    Attributes:
        manager: the site, a triseal.site.manager.Manager.
        store: the Store, a triseal.store.store.Store.
        developer: with the key open.
    """

    def __init__(self, folder: Path) -> None:
        """Make all three; keys are RSA, as by default, and unencrypted."""
        from triseal import certificate
        from triseal.developer import home as desk
        from triseal.site import home
        from triseal.site.manager import Manager
        from triseal.store import store

        self._ahead = 0
        begin = self.now()
        desk.init(folder / "dev", "Ada", "rsa2048", None)
        self.developer = desk.unlock(folder / "dev", _nobody)
        years = certificate.Validity(begin - 60, begin + 10 * _YEAR)
        store.init(folder / "store", "Shop", "rsa2048", None, years)
        self.store = self._store(folder / "store")
        home.init(folder / "site", home.Founding("test"), None, begin)
        self.manager = Manager(folder / "site", _nobody, self.now)
        self.manager.trust_store(self.store.certificate.der)
        self.manager.trust_developer("Ada", self.developer.signer.spki)
        self.store.register(desk.request_pem(folder / "dev"))
        (registered,) = self.store.developers()
        self.store.approve(registered.fingerprint)
        self._releases = 0

    def _store(self, folder: Path) -> Any:
        from triseal.store import authority
        from triseal.store.store import Store

        return Store(folder, lambda: authority.unlock(folder, _nobody), clock=self.now)

    def now(self) -> int:
        """What the site believes the time to be, Unix seconds."""
        return int(time.time()) + self._ahead

    def advance(self, seconds: int) -> None:
        """Let so many seconds pass, for the site."""
        self._ahead += seconds

    def package(
        self,
        source: Path | str,
        name: str = "service",
        *,
        capabilities: Sequence[str] = (),
        security_version: int | None = None,
    ) -> Package:
        """A service that its developer and the Store have sealed, each one newer than the last.

        Args:
            source: a `.py` or `.mpy` file or a folder of them; or the text of a module.
            name: the service's.
            capabilities: the grants that it asks for.
            security_version: to force an older one; otherwise each is newer.
        """
        from triseal.certificate import Validity
        from triseal.developer import executable, sign

        self._releases += 1
        number = self._releases if security_version is None else security_version
        if isinstance(source, str):
            entry, content = "app.py", source.encode()
        else:
            entry, content = executable.read(source)
        release = sign.Release(
            name,
            f"1.{self._releases}",
            number,
            json.dumps({"capabilities": list(capabilities)}).encode(),
        )
        validity = Validity(self.now() - 60, self.now() + _YEAR)
        made = sign.sign(self.developer, release, entry, content, validity)
        return self.store.submit(made)[1]  # type: ignore[no-any-return]

    def close(self) -> None:
        """Give its databases back."""
        self.store.close()
        self.manager.close()


class Node:
    """A board that is a node of a site, at the end of its cable.

    Attributes:
        board: the board, a boards.Board.
        site: its Site.
        name: of the node.
        provisioned: what provisioning did.
        accepted: the deployment that the board accepted last, and what its check took; None before.
    """

    def __init__(self, board: Board, site: Site, settings: Mapping[str, object]) -> None:
        """Provision it, under a name that the site has not had yet."""
        self.board = board
        self.site = site
        self.name = f"node-{secrets.token_hex(4)}"
        site.manager.add_node(self.name)
        self.accepted: Accepted | None = None
        self.provisioned = self.provision(settings)

    def provision(self, settings: Mapping[str, object]) -> Provisioned:
        """Provision it, again perhaps."""
        from triseal.site.cable import enrolment

        done, _ = enrolment.enrol(
            self.site.manager, self.board, self.name, settings, _silent, foreign="keep"
        )
        return done

    def deploy(
        self,
        source: Path | str,
        name: str = "service",
        *,
        grants: Sequence[str] = (),
        security_version: int | None = None,
    ) -> NodeStatus:
        """Take a service the whole way: sign, countersign, seal, check on the board, start.

        Args: as `Site.package`; `grants` are asked for and given.

        Raises: SealError for what the site or the board refuses.
        """
        package = self.site.package(
            source, name, capabilities=grants, security_version=security_version
        )
        self.site.manager.add_service(package)
        if grants:
            self.site.manager.grant(name, grants)
        return self.renew(name)

    def renew(self, name: str = "service") -> NodeStatus:
        """Give the service a fresh seal."""
        from triseal.site.cable import installation

        self.site.manager.assign(self.name, name)
        found, status = installation.deploy(
            self.site.manager, self.board, self.name, [name], _silent
        )
        self.accepted = found[-1]
        return status

    def remove(self, name: str = "service") -> NodeStatus:
        """Remove a service."""
        from triseal.site.cable import installation

        return installation.remove(self.site.manager, self.board, self.name, [name], _silent)

    def restart(self, *, tell_time: bool = True) -> NodeStatus:
        """Restart the agent; services start once it knows the time."""
        self.board.soft_reset()
        return self.tell_time() if tell_time else self.status()

    def tell_time(self) -> NodeStatus:
        """Have the site tell it the time."""
        from triseal.site.cable import dialogue

        return dialogue.tell_time(self.site.manager, self.board)

    def status(self) -> NodeStatus:
        """What the agent says, while its services run on."""
        from triseal.site.cable import agent

        return agent.ask(self.board)

    def service(self, name: str = "service") -> ServiceStatus:
        """What the agent says of one service."""
        (found,) = [one for one in self.status().services if one.name == name]
        return found

    def await_state(self, state: str, name: str = "service") -> ServiceStatus:
        """The service, once it is in this state; fails if it does not come into it."""
        end = time.monotonic() + max(SECONDS, self.board.patience)
        while True:
            found = self.service(name)
            if found.state == state:
                return found
            if time.monotonic() > end:
                pytest.fail(f"{name} is {found.state}: {found.code} {found.detail}")

    def wait_for(self, text: str, timeout: float = SECONDS) -> str:
        """What the node prints until `text` comes, `SERVICE: LINE` for a service's log."""
        return self.board.wait_for(text, max(timeout, self.board.patience))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site, the same for all tests of a run."""
    made = Site(tmp_path_factory.mktemp("site"))
    with contextlib.closing(made):
        yield made


@pytest.fixture
def node(board: Board, site: Site) -> Node:
    """The board as a new node of the site."""
    return Node(board, site, {})


@pytest.fixture
def deployed_service(board: Board, site: Site) -> DeployedService:
    """Deploys a service to the board and returns the Node; takes what `Node.deploy` takes.

    `config` is the node's configuration, for services with a grant for it.
    """
    made: list[Node] = []

    def deploy(source: Path | str, name: str = "service", **options: Any) -> Node:
        config = options.pop("config", {})
        if not made:
            made.append(Node(board, site, {"config": config}))
        made[0].deploy(source, name, **options)
        return made[0]

    return deploy


def _nobody() -> bytes:
    raise AssertionError("the keys of a test have no passphrase")


def _silent(step: str, done: int, total: int) -> None:
    """Nobody looks."""
