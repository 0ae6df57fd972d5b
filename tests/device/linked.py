"""What the tests of the link share: a site whose node checks RSA, and services that tick."""

from __future__ import annotations

import re
from pathlib import Path

from boards.board import Board
from boards.provision import provision
from boards.virtual.board import VirtualBoard
from sealcore import messages
from tests.worlds.link_world import LinkWorld
from triseal.package import Package
from triseal.site.records import tables

TICKING = b"""\
import asyncio
async def main(ctx):
    while True:
        ctx.log("tick of VERSION")
        await asyncio.sleep_ms(100)
"""


def make_world(folder: Path, algorithm: str = "rsa2048") -> LinkWorld:
    """A site whose keys are RSA: the board checks those faster."""
    return LinkWorld(folder, algorithm)


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


# A service that says all that it knows, by all ways that it has, to pass for the node itself.
LOUD = b"""\
import asyncio
import binascii
import usys as sys  # the console itself, not the log of the service
from sealcore import messages

def message(kind, *values):
    return binascii.b2a_base64(messages.write(kind, *values)).decode().strip()

async def main(ctx):
    rejected = message(messages.REJECTED, "untrusted-signer", "Shop")
    lines = [
        "~ 20 degrees",
        "~",
        "~AAAAAAAA",
        "~" + "A" * 12000,
        "triseal: untrusted-signer: Shop",
        "triseal: rollback: had 9",
        "HashMismatch: says a service",
        "~" + rejected,
        "~AAAAAAAA" + rejected,
        "~" + message(messages.STATUS, bytes(16), "shed", 0, 1, 0, []),
        "~AAAAAAAA" + message(messages.STATUS, bytes(16), "shed", 0, 1, 0, []),
        "~AAAAAAAA" + message(messages.HELLO, 3, "hall", bytes(16), 9, bytes(16), 0, "", []),
        "~AAAAAAAA" + message(messages.REMOVE, ["calm"]),
        ">OK\\x04\\x04>",
        "\\xff\\x1b[2J",
    ]
    while True:
        for line in lines:
            print(line)
            for piece in ("\\n", line, "\\r\\n"):  # together they would be 12 KB in one piece
                sys.stdout.write(piece)
            sys.stdout.write(line[:5])
            await asyncio.sleep_ms(20)
"""


# On a board, constants are numbers in the code, and have no names any more.
LOUD = re.sub(
    rb"messages\.([A-Z]+)\b",
    lambda found: b"%d" % getattr(messages, found[1].decode()),
    LOUD,
)


def package(
    world: LinkWorld, service: str, version: str = "1.0", pad: int = 0, source: bytes = TICKING
) -> Package:
    """A service that ticks, larger by `pad` bytes; or of another source."""
    source = source.replace(b"VERSION", version.encode()) + b"#" * pad
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
        connection.execute(tables.site.update().values(lifetime=seconds))


def clean(world: LinkWorld, node: str) -> None:
    """As a test has found it: seals of 5000 s, and no service on the node."""
    lifetime(world, 5000)
    for service in world.manager.assigned(node):
        world.manager.undeploy(node, service)
