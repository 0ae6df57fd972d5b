"""The agent as the client of a real site: over TLS, from the first service to the last renewal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from boards.link import Board
from boards.port import Port
from boards.provision import provision
from boards.virtual import VirtualBoard
from tests.device.node import Node as Watched
from tests.device.node import by_name
from tests.host.link_world import LinkWorld, Serving, serving
from tests.host.site_world import signed_package
from triseal.package import Package

NODE = "kitchen"
TICKING = b"""\
import asyncio
async def main(ctx):
    while True:
        ctx.log("tick of VERSION")
        await asyncio.sleep_ms(100)
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> LinkWorld:
    """A site whose keys are RSA: the board checks those faster."""
    return LinkWorld(tmp_path_factory.mktemp("link"), "rsa2048")


@pytest.fixture(scope="module")
def enrolled(world: LinkWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a board that is the node NODE; copy it."""
    directory = tmp_path_factory.mktemp("enrolled")
    world.manager.add_node(NODE)

    def issue(request: bytes) -> dict[str, bytes]:
        issued = world.manager.enrol(NODE, request)
        return {
            "node.crt": issued.der,
            "bundle.der": world.manager.bundle().der,
            "settings.json": b"{}",
        }

    with VirtualBoard(directory) as virtual, Board(virtual.port) as board:
        provision(board, NODE, issue)
    return directory


def package(world: LinkWorld, service: str, version: str = "1.0", pad: int = 0) -> Package:
    source = TICKING.replace(b"VERSION", version.encode()) + b"#" * pad
    made = signed_package(
        world.developer, service, version, executable=source, metadata=b'{"capabilities": ["log"]}'
    )
    return world.store.countersign(made)


Connect = Callable[[int], Watched]


@pytest.fixture
def connect(world: LinkWorld, enrolled: Path, tmp_path: Path) -> Iterator[Connect]:
    """Starts the node with the server at a port."""
    directory = Path(shutil.copytree(enrolled, tmp_path / "board"))
    with ExitStack() as stack:

        def run(port: int) -> Watched:
            settings = {"server": ["127.0.0.1", port], "spread": 1}
            path = directory / "flash/triseal/settings.json"
            path.write_text(json.dumps(settings))
            virtual = stack.enter_context(VirtualBoard(directory))
            return Watched(world, virtual, stack.enter_context(Port(virtual.port)))  # type: ignore[arg-type]

        yield run


@contextmanager
def site(world: LinkWorld, lifetime: int = 5000) -> Iterator[Serving]:
    """The server, with seals of this lifetime."""
    with serving(world) as running:
        yield running


def add(world: LinkWorld, *packages: Package) -> None:
    for one in packages:
        world.manager.add_service(one)


def test_a_node_gets_its_services_and_runs_them(world: LinkWorld, connect: Connect) -> None:
    add(world, package(world, "thermo", pad=9000), package(world, "lamp"))
    world.manager.assign(NODE, "thermo")
    world.manager.assign(NODE, "lamp")
    world.manager.grant("thermo", ["log"])
    with site(world) as server:
        node = connect(server.port)
        status = node.until(lambda now: list(by_name(now).values()) == ["running"] * 2)
        assert status.time
        node.until_line("thermo: tick of 1.0")
