"""A node with 30 services: real agent, real server, TLS between them."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import Figure
from bench._site import Site, server
from boards import micropython
from boards.board import Board
from boards.code import mpy, stage
from boards.port import Port
from boards.virtual.board import VirtualBoard
from triseal.site.cable import agent
from triseal.site.cable.agent import NodeStatus

NODE = "kitchen"
SERVICES = 30
HEAP_KIB = 208
LIFETIME = 40  # seconds: each seal is renewed in the last quarter of it
PATIENCE = 300.0
ROUNDS = 21
SOURCE = b"""\
import asyncio
async def main(ctx):
    while True:
        ctx.publish("home/alive", ctx.name)
        await asyncio.sleep(1)
"""
_NUMBER = "import sys; print(sys.implementation._mpy)"
# For the REPL of a node while its agent is stopped: renewals of a service, and the bare minimum.
_RENEWALS = """\
import gc
import hashlib
import time

from nlsm import clock, memory

memory.check()

from nlsm import installer, keystore, service, starter, trust
from sealcore import keys

FOLDER = keystore.SERVICES + "/service0"


class Node:  # as much of an agent as a renewal wants
    clock = clock.Clock(%d)
    link = runner = None
    services = {}


Node.clock.trusted = True
one = service.Service("service0")
if not starter.admit(Node, one):
    raise RuntimeError(one.detail)
one.state = "running"
fresh = keystore.read(FOLDER + "/site.der")
names = "site.der", "store.der", "developer.der"
signatures = [int.from_bytes(keystore.read(FOLDER + "/" + name)[-256:], "big") for name in names]
modulus = keys.parse(trust.load().site_keys[0][1]).n


def renew():
    installer.renew(Node, one, fresh)


def bare():
    for signature in signatures:
        pow(signature, 65537, modulus)
    digest = hashlib.sha256()
    block = memoryview(bytearray(512))
    with open(FOLDER + "/app.py", "rb") as file:
        count = file.readinto(block)
        while count:
            digest.update(block[:count])
            count = file.readinto(block)


def elapsed(action):
    gc.collect()
    begin = time.ticks_us()
    action()
    return time.ticks_diff(time.ticks_us(), begin)


for _ in range(%d):
    print(elapsed(renew), elapsed(bare))
"""
_BARE = """\
import asyncio, gc
async def one():
    await asyncio.sleep(1)
async def main():
    tasks = [asyncio.create_task(one()) for _ in range(%d)]
    await asyncio.sleep(0)
    gc.collect()
    print(gc.mem_alloc())
asyncio.run(main())
"""


def measure() -> Iterator[Figure]:
    """Yield `node.agent.heap`, the largest heap in use with every service running and renewed, and
    `node.renew.ms`, one renewal checked and written.

    The baseline of the heap is as many bare tasks of asyncio. The baseline of the renewal is its
    three powers and the executable's hash, on the same board.

    Raises:
        RuntimeError: not all services run and are renewed in HEAP_KIB.
    """
    with (
        tempfile.TemporaryDirectory(prefix="triseal-bench-") as folder,
        Site(root := Path(folder), "rsa2048", lifetime=LIFETIME) as site,
    ):
        services = [f"service{number}" for number in range(SERVICES)]
        for name in services:
            site.add_service(name, SOURCE)
            site.manager.grant(name, ["bus.publish:home/#"])
        site.add_node(NODE, services)
        with server(site.home, root / "log", "--log-level", "warning") as (ports, _):
            make(site, root / "board/flash", ports.nodes)
            used = live(root / "board")
        bare = int(micropython.run(["-c", _BARE % SERVICES]).stdout)
        yield Figure("node.agent.heap", used / 1024, "KiB", bare / 1024)
        check, minimum = renewal(root / "board")
        yield Figure("node.renew.ms", check, "ms", minimum)


def make(
    site: Site, flash: Path, port: int, node: str = NODE, more: Mapping[str, object] | None = None
) -> None:
    """Make the flash of an enrolled node that knows its server.

    Args:
        site: the node's.
        flash: folder.
        port: of the server, on the loopback address.
        node: its name.
        more: settings of the node besides the server.
    """
    number = int(micropython.run(["-c", _NUMBER]).stdout)
    certificate, key = site.nodes[node]
    files = {file.path: file.data for file in stage.plan(mpy.Target.from_number(number))}
    files["/triseal/node.crt"] = certificate
    files["/triseal/node.key"] = key.private_bytes(
        Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    files["/triseal/bundle.der"] = site.manager.bundle().der
    settings = {"server": ["127.0.0.1", port], "spread": 1, **(more or {})}
    files["/triseal/settings.json"] = json.dumps(settings).encode()
    for path, data in files.items():
        place = flash / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch(0o600)
        place.write_bytes(data)


def live(directory: Path) -> int:
    """Run until every service runs and was renewed, and return the most bytes of heap in use.

    Args:
        directory: of the virtual board.
    """
    with VirtualBoard(directory, f"{HEAP_KIB}k") as virtual, Port(virtual.port) as port:
        free = HEAP_KIB * 1024
        first: dict[str, bytes] = {}
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            status = agent.ask(port, PATIENCE)
            free = min(free, status.heap_free)
            if not first and _all_run(status):
                first = status.serials
            if first and _all_run(status) and not first.items() & status.serials.items():
                return HEAP_KIB * 1024 - free
            time.sleep(1)
    states = sorted({f"{one.state} {one.code} {one.detail}" for one in status.services})
    raise RuntimeError(f"{len(status.services)} services, {states}, least free {free}")


def _all_run(status: NodeStatus) -> bool:
    return [one.state for one in status.services] == ["running"] * SERVICES


def renewal(directory: Path) -> tuple[float, float]:
    """Return the milliseconds of a renewal, and of the bare minimum: the least of each.

    Args:
        directory: of the virtual board.
    """
    with VirtualBoard(directory, f"{HEAP_KIB}k") as virtual, Board(virtual.port) as board:
        printed = board.exec(_RENEWALS % (time.time(), ROUNDS), PATIENCE)
    rows = [[int(number) for number in line.split()] for line in printed.splitlines()]
    check, bare = (min(column) / 1000 for column in zip(*rows, strict=True))
    return check, bare
