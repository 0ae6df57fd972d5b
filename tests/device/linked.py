"""What the tests of the link share: a site whose node checks RSA, and services that tick."""

from __future__ import annotations

from pathlib import Path

from boards.link import Board
from boards.provision import provision
from boards.virtual import VirtualBoard
from tests.host.link_world import LinkWorld
from triseal.package import Package
from triseal.site import state

TICKING = b"""\
import asyncio
async def main(ctx):
    while True:
        ctx.log("tick of VERSION")
        await asyncio.sleep_ms(100)
"""


def make_world(folder: Path) -> LinkWorld:
    """A site whose keys are RSA: the board checks those faster."""
    return LinkWorld(folder, "rsa2048")


def enrol(world: LinkWorld, node: str, directory: Path) -> Path:
    """Add a node, and make a new virtual board in `directory` that is it."""
    world.manager.add_node(node)

    def issue(request: bytes) -> dict[str, bytes]:
        issued = world.manager.enrol(node, request)
        return {
            "node.crt": issued.der,
            "bundle.der": world.manager.bundle().der,
            "settings.json": b"{}",
        }

    with VirtualBoard(directory) as virtual, Board(virtual.port) as board:
        provision(board, node, issue)
    return directory


def package(world: LinkWorld, service: str, version: str = "1.0", pad: int = 0) -> Package:
    """A service that ticks, larger by `pad` octets."""
    source = TICKING.replace(b"VERSION", version.encode()) + b"#" * pad
    metadata = b'{"capabilities": ["log"]}'
    return world.package(service, version=version, executable=source, metadata=metadata)


def deploy(world: LinkWorld, node: str, *packages: Package) -> None:
    """Take packages in, let them log, assign them to the node."""
    for one in packages:
        service = world.manager.add_service(one).service
        world.manager.grant(service, ["log"])
        world.manager.assign(node, service)


def lifetime(world: LinkWorld, seconds: int) -> None:
    """From now on seals live so long."""
    with world.manager._changing() as connection:
        connection.execute(state.site.update().values(lifetime=seconds))


def clean(world: LinkWorld, node: str) -> None:
    """As a test has found it: seals of 5000 s, and no service on the node."""
    lifetime(world, 5000)
    for service in world.manager.assigned(node):
        world.manager.undeploy(node, service)
