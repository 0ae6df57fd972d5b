"""An agent that comes over the link to a living node: confirmed, or given up by the node itself."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench import node_agent
from bench._site import Ports, Site, server
from boards import device_code
from boards.board import Board
from boards.code import mpy, romfs, stage
from boards.virtual.board import VirtualBoard
from sealcore.errors import TooLarge
from tests.full import Sweep
from tests.worlds import waiting
from triseal import database
from triseal.developer import agent
from triseal.developer.sign import Release
from triseal.site.errors import NotConfirmed, UnfitBoards
from triseal.site.records import vitals
from triseal.site.views import placements
from triseal.site.views.rollout_status import Watch

SERVICE = b"import asyncio\nasync def main(ctx):\n    while True:\n        await asyncio.sleep(1)\n"
TRIAL = 12  # seconds
PATIENCE = 90.0


class World:
    """A site with a server, and nodes with one service that become living boards."""

    def __init__(self, site: Site, ports: Ports, folder: Path) -> None:
        self.site, self.ports, self.folder = site, ports, folder
        self.releases = 0

    def node(self, name: str, more: Mapping[str, int] = {}) -> Path:
        """Add a node with more settings, and return the folder of its board."""
        self.site.add_node(name, ["thermo"])
        folder = self.folder / name
        settings = {"trial": TRIAL, **more}
        node_agent.make(self.site, folder / "flash", self.ports.nodes, name, settings)
        return folder

    def release(self, *changes: tuple[str, bytes]) -> str:
        """Take in an agent of its own name, with some modules replaced."""
        self.releases += 1
        name = f"nlsm{self.releases}"
        self.add(name, "1.0", *changes)
        return name

    def add(self, name: str, version: str, *changes: tuple[str, bytes], hold: bool = False) -> None:
        found = agent.read()
        modules = {**found.packed, **dict(changes)}
        release = Release(name, version, 1, agent.metadata())
        package = self.site.package(release, found.name, romfs.pack(modules))
        self.site.manager.add_service(package, hold=hold)

    def state(self, node: str, service: str) -> str:
        with database.reading(self.site.manager.engine) as connection:
            found = placements.places(
                connection, self.site.manager.issuer, self.site.manager.time()
            )
        one = {(one.node, one.service): one for one in found}.get((node, service))
        return f"{one.state} {one.version} {one.why}" if one else ""

    def answered(self, outcome: str) -> int:
        """How often the server has answered with this outcome."""
        url = f"http://127.0.0.1:{self.ports.pages}/metrics"
        with urllib.request.urlopen(url, timeout=PATIENCE) as page:
            text = page.read().decode()
        found = re.search(
            f'^triseal_answers_total{{outcome="{outcome}"}} (.*)$', text, re.MULTILINE
        )
        return int(float(found[1])) if found else 0

    def is_known(self, node: str) -> None:
        """Wait until a node has said what it is."""
        for _ in waiting.looks(PATIENCE):
            with database.reading(self.site.manager.engine) as connection:
                if vitals.of(connection, node):
                    return
        pytest.fail(f"{node} says nothing about itself")

    def runs(self, node: str, service: str = "thermo") -> None:
        self.shows(node, service, "running")

    def shows(self, node: str, service: str, start: str) -> None:
        """Wait until the site shows a state that begins like this."""
        for _ in waiting.looks(PATIENCE):
            found = self.state(node, service)
            if found.startswith(start):
                return
        pytest.fail(f"{service} on {node}: {found}, due {start}")


@contextlib.contextmanager
def served(folder: Path) -> Iterator[World]:
    """Run a site in a folder."""
    with Site(folder, "p256") as site:
        site.add_service("thermo", SERVICE)
        with server(site.home, folder / "log", "--log-level", "warning") as (ports, _):
            yield World(site, ports, folder)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(tmp_path_factory.mktemp("update")) as made:
        yield made


def test_agents_come_over_the_link_in_waves_until_one_is_given_up(world: World) -> None:
    manager = world.site.manager
    folder = world.node("kitchen")
    name = world.release()
    with VirtualBoard(folder, "512k"):
        with pytest.raises(UnfitBoards, match="kitchen has never said what it is"):
            manager.assign("kitchen", name)
        world.runs("kitchen")
        world.is_known("kitchen")
        manager.assign("kitchen", name)
        world.runs("kitchen", name)
        world.runs("kitchen")
        assert slot(folder) == "a"
        assert not (folder / "flash/lib/nlsm").exists(), "the agent that came by cable has gone"
        with pytest.raises(TooLarge, match=f"kitchen has the agent {name}"):
            manager.assign("kitchen", world.release())
    with VirtualBoard(folder, "512k"):
        world.runs("kitchen")
        changed = mpy.compile_source(stage.sources()["nlsm/dial.py"] + b"more = 1\n", "dial")
        world.add(name, "1.1", ("nlsm/dial.mpy", changed), hold=True)
        watch = Watch(manager, name)
        with comes_as_difference(world):
            assert manager.rollout(name, ["kitchen"]).lasting
            watch.wait(["kitchen"], PATIENCE, soak=0)
        assert slot(folder) == "b"
        world.add(name, "1.2", ("nlsm/dial.mpy", mpy.compile_source(DEAF, "dial")), hold=True)
        watch = Watch(manager, name)
        manager.rollout(name, ["kitchen"])
        with pytest.raises(NotConfirmed, match=r"kitchen: refused: fell-back: 1\.2 .*: no WELCOME"):
            watch.wait(["kitchen"], PATIENCE)
        assert slot(folder) == "b"
        world.shows("kitchen", name, "running 1.1 fell-back")
        world.runs("kitchen")
        manager.roll_back(name, None)
        manager.undeploy("kitchen", name)
        for _ in waiting.looks(PATIENCE):
            if not world.state("kitchen", name):
                break
        assert not world.state("kitchen", name)
        world.runs("kitchen")
    with VirtualBoard(folder, "512k") as virtual, Board(virtual.port) as board:
        found = board.exec(device_code.agent("nlsm.install", "print(nlsm.__path__)"))
        assert found.strip() == "/a/nlsm", "at the cable, the host has the agent that runs"
        stage.install(board, stage.plan(board.facts().target))
        assert not (folder / "flash/agent").exists(), "what comes by cable replaces what came"
        board.soft_reset()
        world.runs("kitchen")
        assert (folder / "flash/lib/nlsm/boot.mpy").exists()


@contextlib.contextmanager
def comes_as_difference(world: World) -> Iterator[None]:
    """One agent comes meanwhile, after another one that came whole."""
    chunks, pieces = world.answered("chunk"), world.answered("pieces")
    assert chunks > 40
    yield
    assert world.answered("chunk") - chunks <= 3, "metadata and seals"
    assert 1 <= world.answered("pieces") - pieces < 10, "the image"


def slot(board: Path) -> str:
    """The slot of the confirmed agent on the flash of a board."""
    return str(json.loads((board / "flash/agent/state").read_text())["slot"])


CRASHES = b"raise ValueError('of no use')\n"
DEAF = b"""\
from . import link
class Dial(link.Link):
    def tick(self):
        pass
"""
FORGETFUL = b"""\
def load(services, one):
    one.fail(ValueError("forgotten"))
"""
BAD = (
    ("cellar", "nlsm/agent", CRASHES, "ValueError: of no use"),
    ("hall", "nlsm/dial", DEAF, "no WELCOME"),
    ("attic", "nlsm/loader", FORGETFUL, "does not run: thermo"),
)


def test_a_bad_agent_is_given_up_by_each_node_itself(
    world: World, sweep: Sweep[tuple[str, str, bytes, str]]
) -> None:
    """It crashes at its start, it does not connect, or it loses a service."""
    bad = sweep(BAD, 2)  # the test above has one that does not connect
    boards = [VirtualBoard(world.node(node), "512k") for node, _, _, _ in bad]
    with contextlib.ExitStack() as stack:
        for board in boards:
            stack.enter_context(board)
        watches = []
        for node, module, source, _ in bad:
            world.runs(node)
            world.is_known(node)
            name = world.release((f"{module}.mpy", mpy.compile_source(source, module)))
            watches.append((name, Watch(world.site.manager, name)))
            world.site.manager.assign(node, name)
        for (node, _, _, why), board, (name, watch) in zip(bad, boards, watches, strict=True):
            with pytest.raises(NotConfirmed, match=f"{node}: not installed: fell-back: 1.*{why}"):
                watch.wait([node], PATIENCE)
            world.runs(node)
            state = json.loads((board.directory / "flash/agent/state").read_text())
            assert (state["slot"], state["fell"], "trial" in state) == ("", "a", False)
            assert not (board.directory / "flash/triseal/incoming" / name).exists()
            assert name not in floors(board.directory), "it may still come again"


HANGS = b"while True:\n    pass\n"
EATS = b"hoard = []\nwhile True:\n    hoard.append(bytearray(512))\n"
# It leaves the rest of the agent a few KiB, which are too few to connect.
GORGES = b"""\
hoard = []
try:
    while True:
        hoard.append(bytearray(512))
except MemoryError:
    del hoard[-12:]
"""
WAVES = (
    ("nlsm/agent", CRASHES, "ValueError: of no use"),
    ("nlsm/dial", DEAF, "no WELCOME"),
    ("nlsm/loader", FORGETFUL, "does not run: thermo"),
    ("nlsm/agent", EATS, "MemoryError"),
    ("nlsm/agent", HANGS, "hung"),
    ("nlsm/node", GORGES, ""),
)
LONGEST = (1 << 31) - 1  # ms: the hardware watchdog of an ESP32 can wait as long as a trial


@pytest.mark.long
def test_the_first_nodes_of_a_wave_give_a_bad_agent_up_and_the_others_never_get_it(
    world: World,
) -> None:
    """Also one that hangs before it has started a watchdog, and those that eat the heap."""
    manager = world.site.manager
    folders = {node: world.node(node) for node in ("first", "other")}
    name = world.release()
    with contextlib.ExitStack() as stack:
        boards = {
            node: stack.enter_context(VirtualBoard(folder, "512k", watchdog=LONGEST))
            for node, folder in folders.items()
        }
        for node in folders:
            world.runs(node)
            world.is_known(node)
            manager.assign(node, name)
        for node in folders:
            world.runs(node, name)
            world.runs(node)
        for number, (module, source, why) in enumerate(WAVES, start=1):
            changed = (f"{module}.mpy", changed_module(module, source))
            world.add(name, f"1.{number}", changed, hold=True)
            watch = Watch(manager, name)
            manager.rollout(name, ["first"])
            said = f"first: refused: fell-back: 1.{number} .*{why}"
            with pytest.raises(NotConfirmed, match=said):
                watch.wait(["first"], PATIENCE)
            world.shows("first", name, "running 1.0 fell-back")
            world.runs("first")
            assert world.state("other", name) == "running 1.0 None", "no wave has reached it"
            manager.roll_back(name, None)
        boards["first"].power_cut()
        world.add(name, "2.0", hold=True)
        watch = Watch(manager, name)
        manager.rollout(name, list(folders))
        boards["first"].power_on()  # it says once more why it gave the last one up
        watch.wait(list(folders), PATIENCE, soak=0)
        for node in folders:
            world.runs(node)


# It blocks once, as soon as an agent is on trial.
BLOCKS = b"""\
import asyncio, os, time
with open("/agent/state") as file:
    if '"trial"' in file.read() and "blocked" not in os.listdir("/"):
        os.mkdir("/blocked")
        while True:
            time.sleep(1)
async def main(ctx):
    while True:
        await asyncio.sleep(1)
"""


@pytest.mark.long
def test_a_service_that_blocks_past_the_watchdog_costs_a_new_agent_one_start(world: World) -> None:
    """On an ESP32, where the guard of the trial is the same watchdog."""
    manager = world.site.manager
    folder = world.node("shed", {"watchdog": 10})
    name = world.release()
    world.site.add_service("blocks", BLOCKS)
    with VirtualBoard(folder, "512k", watchdog=LONGEST) as board:
        world.runs("shed")
        world.is_known("shed")
        manager.assign("shed", name)
        world.runs("shed", name)
        manager.assign("shed", "blocks")
        world.runs("shed", "blocks")
        world.add(name, "1.1", hold=True)
        watch = Watch(manager, name)
        manager.rollout(name, ["shed"])
        watch.wait(["shed"], PATIENCE, soak=0)
        world.runs("shed", "blocks")
        assert (board.directory / "flash/blocked").is_dir(), "it has blocked"
        assert slot(folder) == "b"


def changed_module(module: str, source: bytes) -> bytes:
    """Compile a module of the agent with bad code in its place, or before its own if that goes on
    where the bad code ends."""
    own = stage.sources()[f"{module}.py"] if source is GORGES else b""
    return mpy.compile_source(source + own, module)


def floors(board: Path) -> str:
    """The values that never go down again, as text."""
    return (board / "flash/triseal/floors").read_text()
