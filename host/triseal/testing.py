"""pytest for nodes: a whole site in a folder, for tests of services on boards.

    def test_it_blinks(deployed_service):
        node = deployed_service(Path("blink.py"), grants=["pin:2", "log"])
        assert node.wait_for("blink: on")

`boards.testing.plugin` explains how to choose boards: `--board`, which may be repeated. Without it
a test runs on a virtual board.
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

SECONDS = 30.0  # time for a node to reach the state that a test waits for
_YEAR = 365 * 86400

DeployedService = Callable[..., "Node"]


class Site:
    """A developer, a Store, and a site that trusts both. A test can advance their time.

    Args:
        folder: where to create them.
        algorithm: of their keys, "rsa2048" or another one of `triseal.choices.ALGORITHMS`.

    Attributes:
        manager: the site, a triseal.site.manager.Manager.
        store: the Store, a triseal.store.store.Store.
        developer: the developer, whose key is open.
    """

    def __init__(self, folder: Path, algorithm: str = "rsa2048") -> None:
        """Create all three, with unencrypted keys."""
        from triseal import certificate
        from triseal.developer import home as developer_home
        from triseal.keysource import NewKey
        from triseal.site import home
        from triseal.site.manager import Manager
        from triseal.store import store

        self._ahead = 0
        begin = self.now()
        developer_home.init(folder / "dev", "Ada", NewKey(algorithm))
        self.developer = developer_home.unlock(folder / "dev", _nobody)
        years = certificate.Validity(begin - 60, begin + 10 * _YEAR)
        store.init(folder / "store", "Shop", NewKey(algorithm), years)
        self.store = self._store(folder / "store")
        home.init(folder / "site", home.Founding("test", algorithm), None, begin)
        self.manager = Manager(folder / "site", _nobody, self.now)
        self.manager.trust_store(self.store.certificate.der)
        self.manager.trust_developer("Ada", self.developer.signer.spki)
        self.store.register(developer_home.request_pem(folder / "dev"))
        (registered,) = self.store.developers()
        self.store.approve(registered.fingerprint)
        self._releases = 0

    def _store(self, folder: Path) -> Any:
        from triseal.store import authority
        from triseal.store.store import Store

        return Store(folder, lambda: authority.unlock(folder, _nobody), clock=self.now)

    def now(self) -> int:
        """Return the time of the site, Unix seconds."""
        return int(time.time()) + self._ahead

    def advance(self, seconds: int) -> None:
        """Let time pass for the site.

        Args:
            seconds: number of seconds.
        """
        self._ahead += seconds

    def package(
        self,
        source: Path | str,
        name: str = "service",
        *,
        capabilities: Sequence[str] = (),
        security_version: int | None = None,
    ) -> Package:
        """Make a package that the developer and the Store have sealed, each one newer than the
        last.

        Args:
            source: a `.py` or `.mpy` file, a folder of them, or the text of a module.
            name: name of the service.
            capabilities: the grants that it asks for.
            security_version: the security version, to make an older package; None for a newer one.
        """
        from triseal.certificate import Validity
        from triseal.developer import executable, sign

        self._releases += 1
        number = self._releases if security_version is None else security_version
        if isinstance(source, str):
            entry, content = "app.py", source.encode()
        else:
            found = executable.read(source)
            entry, content = found.name, found.content
        release = sign.Release(
            name,
            f"1.{self._releases}",
            number,
            json.dumps({"capabilities": list(capabilities)}).encode(),
        )
        validity = Validity(self.now() - 60, self.now() + _YEAR)
        signed = sign.sign(self.developer, release, entry, content, validity)
        return self.store.submit(signed)[1]  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the databases."""
        self.store.close()
        self.manager.close()


class Node:
    """A board that is a node of a site, at a cable.

    Args:
        board: the board.
        site: the site.
        settings: the contents of its settings.json.

    Attributes:
        board: the board, a boards.board.Board.
        site: its Site.
        name: name of the node.
        provisioned: the result of provisioning.
        accepted: the last deployment that the board accepted, and the facts of its check; or None.
    """

    def __init__(self, board: Board, site: Site, settings: Mapping[str, object]) -> None:
        """Provision the board, under a new name."""
        self.board = board
        self.site = site
        self.name = f"node-{secrets.token_hex(4)}"
        site.manager.add_node(self.name)
        self.accepted: Accepted | None = None
        self.provisioned = self.provision(settings)

    def provision(self, settings: Mapping[str, object]) -> Provisioned:
        """Provision the board, perhaps again.

        Args:
            settings: the contents of its settings.json.
        """
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
        """Take a service all the way: sign, countersign, seal, check on the board, start.

        Args:
            source: as for `Site.package`.
            name: name of the service.
            grants: the grants that the service asks for and gets.
            security_version: as for `Site.package`.

        Returns: the node's state.

        Raises:
            SealError: the site or the board refuses the service.
        """
        package = self.site.package(
            source, name, capabilities=grants, security_version=security_version
        )
        self.site.manager.add_service(package)
        if grants:
            self.site.manager.grant(name, grants)
        return self.renew(name)

    def renew(self, name: str = "service") -> NodeStatus:
        """Give a service a new seal.

        Args:
            name: name of the service.
        """
        from triseal.site.cable import installation

        self.site.manager.assign(self.name, name)
        accepted, status = installation.deploy(
            self.site.manager, self.board, self.name, [name], _silent
        )
        self.accepted = accepted[-1]
        return status

    def remove(self, name: str = "service") -> NodeStatus:
        """Remove a service.

        Args:
            name: name of the service.
        """
        from triseal.site.cable import installation

        return installation.remove(self.site.manager, self.board, self.name, [name], _silent)

    def restart(self, *, tell_time: bool = True) -> NodeStatus:
        """Restart the agent. Services start when it knows the time.

        Args:
            tell_time: whether to give it the time.
        """
        self.board.soft_reset()
        return self.tell_time() if tell_time else self.status()

    def tell_time(self) -> NodeStatus:
        """Give the node the site's time."""
        from triseal.site.cable import dialogue

        return dialogue.tell_time(self.site.manager, self.board)

    def status(self) -> NodeStatus:
        """Read the node's state, while its services run."""
        from triseal.site.cable import agent

        return agent.ask(self.board)

    def service(self, name: str = "service") -> ServiceStatus:
        """Read the state of one service.

        Args:
            name: name of the service.
        """
        (status,) = [s for s in self.status().services if s.name == name]
        return status

    def await_state(self, state: str, name: str = "service") -> ServiceStatus:
        """Wait until a service is in a state; fail the test if it does not get there.

        Args:
            state: one of messages.STATES.
            name: name of the service.
        """
        end = time.monotonic() + max(SECONDS, self.board.patience)
        while True:
            status = self.service(name)
            if status.state == state:
                return status
            if time.monotonic() > end:
                pytest.fail(f"{name} is {status.state}: {status.code} {status.detail}")

    def wait_for(self, text: str, timeout: float = SECONDS) -> str:
        """Wait until the node prints a text. The log of a service appears as `SERVICE: LINE`.

        Args:
            text: the text.
            timeout: time to wait at most, seconds.

        Returns: what the node has printed up to it.
        """
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
    """A function that deploys a service to the board and returns the Node.

    It takes the arguments of `Node.deploy`, and `config`: the node's configuration, for services
    with a grant for it.
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
    """Report nothing."""
