"""A whole site for scripts: `with Fleet() as site: ...`. host/README.md has examples.

A Fleet has everything that a Manager has, and what the command `triseal` adds to it: lists, boards
at cables, waiting for nodes. Failures are exceptions of REFUSALS; `triseal.advice.line` formats
one as the command does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from boards.board import Board
from boards.errors import BoardError
from boards.inventory import Foreign
from boards.port import Port
from boards.provision import Report
from sealcore.errors import SealError
from triseal import package, passphrases
from triseal.choices import SOAK
from triseal.errors import Failure, NoPassphrase
from triseal.site import home
from triseal.site.cable import agent, enrolment, installation
from triseal.site.cable.agent import NodeStatus
from triseal.site.errors import UnknownNode
from triseal.site.manager import Manager
from triseal.site.rules.guarantee import Guarantee
from triseal.site.views import overview, placements
from triseal.site.views.overview import NodeFacts, ServiceFacts
from triseal.site.views.placements import PlaceFacts
from triseal.site.views.rollout_status import Watch

REFUSALS = (Failure, SealError, BoardError)
"""For `except`: all refusals, and all failures of a board. Each of them has a `code`."""

_LOOK_EVERY = 0.2


def _silent(step: str, done: int, total: int) -> None:
    """Report nothing."""


class Fleet(Manager):
    """A site, its nodes, and the boards at this computer. A context manager; threads may share it.

    Args:
        folder: the site's home; None for the one that `triseal site` uses (TRISEAL_HOME).
        passphrase: passphrase of the site's key; None for the value of TRISEAL_PASSPHRASE, if one
            is needed.

    Raises:
        NotInitialised, Incomplete, DatabaseUnusable: as Manager.
    """

    def __init__(self, folder: Path | None = None, passphrase: bytes | None = None) -> None:
        def ask() -> bytes:
            given = passphrase or passphrases.given()
            if not given:
                raise NoPassphrase("the script gave no passphrase")
            return given

        super().__init__(folder or home.default(), ask)

    def nodes(self) -> list[NodeFacts]:
        """Return every node, sorted by name."""
        with self.reading() as connection:
            return overview.all_nodes(connection, self.issuer)

    def services(self) -> list[ServiceFacts]:
        """Return every service, sorted by name."""
        with self.reading() as connection:
            return overview.all_services(connection)

    def places(self) -> list[PlaceFacts]:
        """Return every service on every node: its grants, its state, the end of its seals."""
        with self.reading() as connection:
            return placements.places(connection, self.issuer, self._clock())

    def add_package(self, path: Path, *, hold: bool = False) -> str:
        """Take in a package that a Store has countersigned.

        All nodes that have the service get a newer version: connected ones at once, others with
            their
        next renewal.

        Args:
            path: the package file.
            hold: whether no node gets the package until it is rolled out.

        Returns: name of the service.

        Raises:
            NotRecognised: the file is not a package.
            Failure, SealError: as Manager.add_service.
        """
        return str(self.add_service(package.read(path), hold=hold).service)

    def provision(
        self,
        port: str,
        node: str,
        settings: Mapping[str, object] | None = None,
        *,
        replace: bool = False,
        foreign: Foreign = "refuse",
        report: Report = _silent,
    ) -> NodeStatus:
        """Make the board at a port a node. The node is added unless the site has it.

        Args:
            port: name of the port, such as /dev/ttyACM0 or virtual:NAME.
            node: name of the node.
            settings: the contents of its settings.json: `server` (host, port), `wifi` (ssid,
                password), `grace` and `watchdog` in seconds, `config` (texts by name).
            replace: whether another key may replace the known one, if the board was wiped or
                replaced.
            foreign: what to do with unknown files on the board.
            report: called for each step.

        Returns: the node's state.

        Raises:
            NodeRetired: the node is retired.
            BoardError: the board does not work as expected.
            Failure, SealError: as nodes.add and enrolment.enrol.
        """
        self.unlock()
        chosen = {"grace": 0, "config": {}, **(settings or {})}
        is_new = not self._has(node)
        with Board(port) as board:
            if is_new:
                self.add_node(node)
            done = enrolment.enrol(
                self, board, node, chosen, report, replace=replace, foreign=foreign
            )
            return done[1]

    def enrol_by_token(self, port: str, report: Report = _silent) -> tuple[str, NodeStatus]:
        """Enrol the board at a port with the token of its image.

        Args:
            port: name of the port.
            report: called for each step.

        Returns: name of the node, and its state.

        Raises:
            Failure, SealError, BoardError: as enrolment.redeem.
        """
        self.unlock()
        with Board(port) as board:
            return enrolment.redeem(self, board, report)

    def _has(self, node: str) -> bool:
        try:
            self.check_node(node)
        except UnknownNode:
            return False
        return True

    def install(self, port: str, node: str, *services: str, report: Report = _silent) -> NodeStatus:
        """Assign services to the node at a port, deliver them, and let it check and start them.

        Args:
            port: name of the port.
            node: name of the node.
            services: names of the services.
            report: called for each step.

        Returns: the node's state.

        Raises:
            OtherBoard: the board is not this node.
            SealError: the board refuses a service.
            BoardError: the board does not work as expected.
        """
        self.unlock()
        with Board(port) as board:
            return installation.deploy(self, board, node, services, report)[1]

    def status(self, port: str) -> NodeStatus:
        """Read the state of the node at a port, while its services run.

        Args:
            port: name of the port.

        Raises:
            NoAgent: nothing at the port answers like an agent.
        """
        with Port(port) as line:
            return agent.ask(line)

    def await_confirmed(
        self, seconds: float = 5.0, *, service: str = "", node: str = ""
    ) -> Guarantee:
        """Wait until all nodes have confirmed a change, or the time is up.

        Args:
            seconds: time to wait at most.
            service: name of the changed service; "" for all.
            node: name of the changed node; "" for all.

        Returns: how far the nodes are.
        """
        end = time.monotonic() + seconds
        while True:
            guarantee = self.guarantee(service=service, node=node)
            if not guarantee.waiting or time.monotonic() >= end:
                return guarantee
            time.sleep(_LOOK_EVERY)

    def await_running(
        self, service: str, on: Sequence[str], seconds: float = 60.0, *, soak: float = SOAK
    ) -> None:
        """Wait until nodes have reported that they run a service in its desired state, steadily.

        Args:
            service: name of the service, which is assigned to these nodes.
            on: names of the nodes.
            seconds: time to wait at most until all of them run it.
            soak: seconds for which it must then run on all of them. A service that fails may run
                for a while before it does.

        Raises:
            NotConfirmed: the time is up, a node has reported that the service stopped, failed or
                was refused, or the service or its node was started again.
        """
        Watch(self, service).wait(on, seconds, soak)

    def try_out(
        self,
        service: str,
        on: Sequence[str] | None = None,
        seconds: float = 60.0,
        *,
        soak: float = SOAK,
        version: str = "",
    ) -> None:
        """Move nodes to the newest release of a service, and wait until they run it.

        Args:
            service: name of the service, whose newest release is held (`add_package`).
            on: names of nodes that have it; None for all nodes, also later ones.
            seconds: as in `await_running`.
            soak: as in `await_running`.
            version: the version that the newest release must have, if somebody else may add one; ""
                for any.

        Raises: as `rollout` and `await_running`.
        """
        watch = Watch(self, service)
        moved = self.rollout(service, on, version=version)
        watch.wait(moved.nodes, seconds, soak)
