"""A whole site from a script: `with Fleet() as site: ...`; host/README.md has examples.

All that a Manager decides, and with it what the command `triseal` does around it: lists, boards at
cables, waiting for nodes. Failures are exceptions of REFUSALS; `triseal.advice.line` says one as
the command does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from boards.board import Board
from boards.errors import BoardError
from boards.inventory import Foreign
from boards.port import Port
from boards.provision import Report
from sealcore.errors import SealError
from triseal import database, package
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
from triseal.site.views.rollout_status import STEADY, Watch

PASSPHRASE = "TRISEAL_PASSPHRASE"
REFUSALS = (Failure, SealError, BoardError)
"""For `except`: all that can be refused, or go wrong with a board; each has a `code`."""

_LOOK_EVERY = 0.2


def _silent(step: str, done: int, total: int) -> None:
    """Nobody looks."""


class Fleet(Manager):
    """A site, its nodes and the boards at this computer. A context manager; safe for threads.

    Args:
        folder: the site's home; None for the one that `triseal site` uses (TRISEAL_HOME).
        passphrase: of the site's key; None takes TRISEAL_PASSPHRASE, where it is needed.

    Raises: NotInitialised, Incomplete, DatabaseUnusable.
    """

    def __init__(self, folder: Path | None = None, passphrase: bytes | None = None) -> None:
        def ask() -> bytes:
            given = passphrase or os.fsencode(os.environ.get(PASSPHRASE, ""))
            if not given:
                raise NoPassphrase("the script gives none")
            return given

        super().__init__(folder or home.default(), ask)

    def nodes(self) -> list[NodeFacts]:
        """Every node, by name."""
        with database.reading(self.engine) as connection:
            return overview.all_nodes(connection)

    def services(self) -> list[ServiceFacts]:
        """Every service, by name."""
        with database.reading(self.engine) as connection:
            return overview.all_services(connection)

    def places(self) -> list[PlaceFacts]:
        """Every service on every node, by node: what it may do, what became of it, till when."""
        with database.reading(self.engine) as connection:
            return placements.places(connection)

    def add_package(self, path: Path, *, hold: bool = False) -> str:
        """Take in a package that a Store countersigned; returns the service's name.

        A newer version goes to every node that has the service, each with its next renewal or at
        once if it is connected; with `hold` to none until it is rolled out. Raises: see
        Manager.add_service; NotRecognised.
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
        """Make the board at a port a node, and add the node unless the site has it.

        Args:
            port: such as /dev/ttyACM0 or virtual:NAME.
            node: its name.
            settings: for its settings.json: `server` (host, port), `wifi` (ssid, password),
                `grace` and `watchdog` in seconds, `config` (texts by name).
            replace: the node may come with another key: the board was wiped or exchanged.
            foreign: what becomes of files on the board that nobody knows.
            report: told of each step.

        Raises: NodeRetired; BoardError for the board; see also nodes.add, nodes.enrol.
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
        """Enrol the board at a port by the token of its image; returns the node that it is.

        Raises: as cable.enrolment.redeem; BoardError.
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
        """Assign services to the node at a port, put them there and see them checked and started.

        Raises: OtherBoard; SealError for what the board refuses; BoardError.
        """
        self.unlock()
        with Board(port) as board:
            return installation.deploy(self, board, node, services, report)[1]

    def status(self, port: str) -> NodeStatus:
        """What the node at a port says of itself, while its services run on. Raises: NoAgent."""
        with Port(port) as line:
            return agent.ask(line)

    def await_confirmed(
        self, seconds: float = 5.0, *, service: str = "", node: str = ""
    ) -> Guarantee:
        """Wait until nodes have confirmed a change; how far they are when that is so, or time up.

        Args:
            seconds: to wait at most.
            service, node: what was changed.
        """
        end = time.monotonic() + seconds
        while True:
            found = self.guarantee(service=service, node=node)
            if not found.waiting or time.monotonic() >= end:
                return found
            time.sleep(_LOOK_EVERY)

    def await_running(
        self, service: str, on: Sequence[str], seconds: float = 60.0, *, steady: float = STEADY
    ) -> None:
        """Wait until nodes have said that they run a service, by the seal that it has now.

        Args:
            service: assigned to these nodes.
            on: the nodes.
            seconds: to wait at most.
            steady: seconds that it must go on running on all of them: one that fails at once runs
                for a moment, too.

        Raises:
            NotConfirmed: time is up, or a node says that the service stopped, failed or was
                refused.
        """
        Watch(self, service).wait(on, seconds, steady)

    def try_out(
        self,
        service: str,
        on: Sequence[str] | None = None,
        seconds: float = 60.0,
        *,
        steady: float = STEADY,
        version: str = "",
    ) -> None:
        """Move nodes on to the newest release of a service, and wait until they run it.

        Args:
            service: its newest release is held (`add_package`).
            on: nodes that have it; None for all, those that come later too.
            seconds, steady: as `await_running`.
            version: what the newest must be, if somebody else may add one; "" for any.

        Raises: as `rollout` and `await_running`.
        """
        watch = Watch(self, service)
        moved = self.rollout(service, on, version=version)
        watch.wait(moved.nodes, seconds, steady)
