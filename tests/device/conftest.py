"""What the tests of the agent share: one site, and nodes of it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.device import node
from tests.device.node import Node
from tests.device.site import Deployment, Site

# A service that is heard of every moment, and one that repeats what it hears.
TICKER = b"""\
import asyncio
async def main(ctx):
    n = 0
    while True:
        ctx.publish("home/kitchen/n", n)
        n += 1
        await asyncio.sleep_ms(20)
"""
ECHO = b"""\
async def main(ctx):
    async for topic, value in ctx.subscribe("home/#"):
        ctx.log(topic + "=" + str(value))
"""

# start(deployments..., grace=0) gives a running node that has them on its flash.
Start = Callable[..., Node]


@pytest.fixture(scope="session")
def site() -> Site:
    """Keys take a while to make: all tests have the same."""
    return Site()


@pytest.fixture(scope="session")
def provisioned(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a board that was just made a node; copy it."""
    directory = tmp_path_factory.mktemp("provisioned")
    node.make(site, directory)
    return directory


@pytest.fixture
def directory(provisioned: Path, tmp_path: Path) -> Path:
    """A provisioned board of this test's own."""
    return Path(shutil.copytree(provisioned, tmp_path / "board"))


@pytest.fixture
def spki(provisioned: Path) -> bytes:
    """The key of all these nodes."""
    return node.spki(provisioned / "flash")


@pytest.fixture
def ticker(site: Site, spki: bytes) -> Deployment:
    """TICKER, sealed for the node."""
    return site.deploy("ticker", TICKER, node.NAME, spki, grants=("bus.publish:home/kitchen/#",))


@pytest.fixture
def echo(site: Site, spki: bytes) -> Deployment:
    """ECHO, sealed for the node."""
    return site.deploy("echo", ECHO, node.NAME, spki, grants=("log", "bus.subscribe:home/#"))


@pytest.fixture
def start(site: Site, directory: Path) -> Iterator[Start]:
    """Starts a node with these deployments on its flash."""
    with ExitStack() as stack:

        def run(*deployments: Deployment, heap: str = "256k") -> Node:
            for one in deployments:
                node.put(directory / "flash", one)
            return stack.enter_context(node.running(site, directory, heap))

        yield run
