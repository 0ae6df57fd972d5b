"""A node on a virtual board: provisioned once, then copied for each test, with what it runs."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from boards.board import Board
from boards.port import Port
from boards.provision import INCOMING, deliver, provision
from boards.virtual.board import VirtualBoard
from sealcore import identity, messages
from tests.device.site import Deployment, Site
from tests.worlds.waiting import looks
from triseal.site.cable import agent
from triseal.site.cable.agent import NodeStatus, ServiceStatus

NAME = "kitchen-1"
SERVICES = "triseal/services"
# What a slow machine may take for what takes a moment.
PATIENCE = 30.0


class Node:
    """A node whose agent runs, seen from the other end of its line.

    Attributes:
        site: that it belongs to.
        virtual: the board.
        port: its line.
        root: its flash, a folder.
    """

    def __init__(self, site: Site, virtual: VirtualBoard, port: Port) -> None:
        self.site = site
        self.virtual = virtual
        self.port = port
        self.root = virtual.flash

    def ask(self) -> NodeStatus:
        """Its state now."""
        return agent.ask(self.port, PATIENCE)

    def tell_time(self, now: int | None = None) -> NodeStatus:
        """Give it the time, and its state once what waited for it was started."""
        agent.set_time(self.port, self.site.time(self.ask().nonce, now), PATIENCE)
        return self.ask()

    def start(self) -> None:
        """Give it the time, and read nothing of what it prints from then on."""
        message = messages.write(messages.TIME, self.site.time(self.ask().nonce))
        self.port.send(b"~" + base64.b64encode(message) + b"\n")

    def state(self, service: str) -> ServiceStatus:
        """The state of one service now."""
        return next(one for one in self.ask().services if one.name == service)

    def until(self, holds: Callable[[NodeStatus], bool]) -> NodeStatus:
        """Its state as soon as `holds` says so; fails after PATIENCE."""
        for _ in looks(PATIENCE):
            status = self.ask()
            if holds(status):
                return status
        raise AssertionError(status)

    def lines(self) -> Iterator[str]:
        """What it prints for people, line by line."""
        while True:
            line = self.port.read_line(PATIENCE).decode(errors="replace")
            if not line.startswith("~"):
                yield line

    def until_line(self, part: str) -> str:
        """The next line that holds `part`."""
        return next(line for line in self.lines() if part in line)


def by_name(status: NodeStatus) -> dict[str, str]:
    """State by service."""
    return {one.name: one.state for one in status.services}


def spki(root: Path) -> bytes:
    """The key of the node whose flash lies at `root`."""
    return bytes(identity.parse((root / "triseal/node.crt").read_bytes()).spki)


def make(site: Site, directory: Path, **settings: object) -> None:
    """Provision a node on a new virtual board; its state stays in `directory`."""
    with VirtualBoard(directory) as virtual, Board(virtual.port) as board:
        provision(board, NAME, lambda request: site.enrol(request, settings=settings))
    with running(site, directory) as node:
        node.ask()  # it has started once: so its floors are written


def put(root: Path, deployment: Deployment) -> Path:
    """Lay a deployment where an installed one lies, unchecked; returns the folder."""
    folder = root / SERVICES / deployment.name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name, data in deployment.files.items():
        (folder / name).write_bytes(data)
    return folder


def stage(board: Board, deployment: Deployment) -> None:
    """Send a deployment to where `nlsm.install.accept` looks for it."""
    folder = f"{INCOMING}/{deployment.name}"
    deliver(board, [(f"{folder}/{name}", data) for name, data in deployment.files.items()])


@contextmanager
def running(site: Site, directory: Path, heap: str = "256k") -> Iterator[Node]:
    """The node whose state is in `directory`, powered on."""
    with VirtualBoard(directory, heap) as virtual, Port(virtual.port) as port:
        yield Node(site, virtual, port)
