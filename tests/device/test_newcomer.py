"""From one flashed file to a node: a board makes its key, proves its token and runs services."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from littlefs import LittleFS, UserContext

from bench._site import server as server_process
from boards.board import Board
from boards.errors import DeviceFailed
from boards.flashing import chips
from boards.port import Port
from boards.provision import install_code
from boards.virtual.board import VirtualBoard
from sealcore import messages
from tests.device import on_micropython
from tests.device.node import PATIENCE
from tests.device.node import Node as Watched
from tests.host.boards.test_image import flashed, whole
from tests.host.commands import Commands
from tests.worlds.link_world import LinkWorld, Serving, serving, until
from triseal.certificate import Validity
from triseal.site.records import tokens

CHIP = "esp32"
BLOCK = 4096


@pytest.fixture
def commands(settled: Commands) -> Commands:
    """A site with a service that logs, a node that no board is yet, and firmware."""
    settled.run("site", "add-service", settled.release("1.0"))
    settled.run("site", "grant", "thermo", "log")
    settled.run("site", "add-node", "kitchen")
    Path("firmware.bin").write_bytes(whole(CHIP)[1])
    return settled


class Flash:
    """The file system of a flash, seen from outside while the board is off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        context = UserContext(path.stat().st_size)
        context.buffer = bytearray(path.read_bytes())
        count = path.stat().st_size // BLOCK
        self._files = LittleFS(context, block_size=BLOCK, block_count=count)
        self._context = context

    def names(self) -> set[str]:
        return set(self._files.listdir("/triseal"))

    def read(self, name: str) -> bytes:
        with self._files.open(f"/triseal/{name}", "rb") as file:
            return bytes(file.read())

    def settings(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.read("settings.json"))
        return found

    def set(self, **more: object) -> None:
        with self._files.open("/triseal/settings.json", "wb") as file:
            file.write(json.dumps({**self.settings(), **more}).encode())
        self._path.write_bytes(self._context.buffer)


def flash(commands: Commands, *options: str) -> Path:
    """What a production line does: an image, written onto a board; the board's folder."""
    words = ("node", "image", "--board", CHIP, "--firmware", "firmware.bin", "--node", "kitchen")
    facts = commands.json(*words, "--out", "kitchen.bin", *options)
    start, size = (int(part, 16) for part in facts["filesystem"].split(":"))
    directory = commands.folder / "board"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    content = flashed(chips.named(CHIP), Path("kitchen.bin").read_bytes())
    (directory / "flash.img").write_bytes(content[start : start + size])
    return directory


def node_state(commands: Commands) -> str:
    (node,) = commands.json("site", "nodes")
    return str(node["state"])


def test_a_flashed_board_enrols_at_its_server_and_runs_what_it_is_given(
    commands: Commands,
) -> None:
    site = commands.folder / "home" / "site"
    with server_process(site, commands.folder / "log") as (ports, _):
        board = flash(commands, "--server", f"127.0.0.1:{ports.nodes}")
        assert Flash(board / "flash.img").names() == {"bundle.der", "settings.json"}
        Flash(board / "flash.img").set(spread=1)  # or it would let the others come first
        assert node_state(commands) == "awaiting enrolment"
        commands.run("site", "deploy", "kitchen", "thermo")
        with VirtualBoard(board, filesystem="littlefs") as virtual, Port(virtual.port) as port:
            port.wait_for("triseal: enrolled", PATIENCE)
            port.wait_for("thermo: here", PATIENCE)
    assert node_state(commands) == "enrolled"
    left = Flash(board / "flash.img")
    assert {"node.key", "node.crt", "services"} < left.names()
    assert "token" not in left.settings()
    assert left.settings()["spread"] == 1
    events = [json.loads(line) for line in (commands.folder / "log").read_text().splitlines()]
    assert [one["node"] for one in events if one["event"] == "enrolled"] == ["kitchen"]


def test_a_flashed_board_without_a_server_waits_for_its_cable(commands: Commands) -> None:
    board = flash(commands)
    with VirtualBoard(board, filesystem="littlefs") as virtual:
        at = ("--port", virtual.port)
        with Port(virtual.port) as port:
            port.wait_for(
                "triseal: not-enrolled: kitchen waits for its site: triseal node enrol\n", PATIENCE
            )
        assert commands.json("node", "status", *at)["node"] == "kitchen"
        assert commands.fails("node", "restart", *at) == "not-enrolled"
        made = commands.json("node", "enrol", *at)
        assert (made["node"], made["bundle_version"]) == ("kitchen", 3)
        assert made["time"]
        assert commands.fails("node", "enrol", *at) == "already-node"
        assert commands.json("node", "status", *at)["node"] == "kitchen"
        done = commands.json("node", "deploy", "kitchen", "thermo", *at)
        assert (done["state"], done["grants"]) == ("running", ["log"])
    assert "token" not in Flash(board / "flash.img").settings()


def test_images_that_are_void(commands: Commands) -> None:
    board = flash(commands)
    with VirtualBoard(board, filesystem="littlefs") as virtual:
        at = ("--port", virtual.port)
        commands.run(
            *("node", "image", "--board", CHIP, "--firmware", "firmware.bin"),
            *("--node", "kitchen", "--out", "newer.bin"),
        )
        assert commands.fails("node", "enrol", *at) == "bad-token"
        assert node_state(commands) == "awaiting enrolment"
        # A person at the cable needs no token, and uses that of the newer image up.
        commands.run("node", "provision", "--node", "kitchen", *at)
        assert commands.fails("node", "enrol", *at) == "already-node"
    assert node_state(commands) == "enrolled"
    words = ("node", "image", "--board", CHIP, "--firmware", "firmware.bin", "--out", "x.bin")
    assert commands.fails(*words, "--node", "kitchen") == "other-node-key"
    assert not Path("x.bin").exists()
    commands.run(*words, "--node", "kitchen", "--replace")
    commands.run("site", "retire", "kitchen", "--wait", "0")
    assert commands.fails(*words, "--node", "kitchen", "--replace") == "node-retired"


@dataclass
class Line:
    """Boards with code, trust bundle and token; what happens at their first start is for a test.

    Attributes:
        world: their site.
        blank: a board with the code alone.
    """

    world: LinkWorld
    blank: Path
    scratch: Path = field(default_factory=Path)
    made: int = 0

    def board(self, **settings: object) -> tuple[Path, str]:
        """A board's folder, and the node that it is to be."""
        self.made += 1
        name = f"node-{self.made}"
        self.world.manager.add_node(name)
        token = tokens.draw()
        self.world.manager.expect(name, token, 1000)
        directory = Path(shutil.copytree(self.blank, self.scratch / name))
        place = directory / "flash/triseal"
        place.mkdir()
        (place / "bundle.der").write_bytes(self.world.manager.bundle().der)
        chosen = {"node": name, "token": token.hex(), "spread": 1, **settings}
        (place / "settings.json").write_text(json.dumps(chosen))
        return directory, name


@pytest.fixture(scope="module")
def whole_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    blank = tmp_path_factory.mktemp("blank")
    with VirtualBoard(blank) as virtual, Board(virtual.port) as board:
        install_code(board)
    with LinkWorld(tmp_path_factory.mktemp("line")) as world:
        yield Line(world, blank)


@pytest.fixture
def line(whole_line: Line, tmp_path: Path) -> Line:
    whole_line.scratch = tmp_path
    return whole_line


@pytest.fixture(scope="module")
def site(whole_line: Line) -> Iterator[Serving]:
    with serving(whole_line.world) as running:
        yield running


@contextlib.contextmanager
def started(directory: Path, heap: str = "256k") -> Iterator[Watched]:
    with VirtualBoard(directory, heap) as virtual, Port(virtual.port) as port:
        yield Watched(None, virtual, port)  # type: ignore[arg-type]


def test_an_answer_that_was_lost_is_given_again_after_a_power_cut(
    line: Line, site: Serving
) -> None:
    directory, name = line.board()
    with VirtualBoard(directory, "64k") as virtual, Board(virtual.port, patience=PATIENCE) as board:
        csr, proof = board.call("nlsm.newcomer.request")
        lost = line.world.manager.redeem(csr, proof)
    with VirtualBoard(directory) as virtual, Board(virtual.port, patience=PATIENCE) as board:
        assert board.call("nlsm.newcomer.request") == (csr, proof)
    settings = directory / "flash/triseal/settings.json"
    server = {"server": ["127.0.0.1", site.port]}
    settings.write_text(json.dumps({**json.loads(settings.read_text()), **server}))
    with started(directory) as node:
        node.until_line("triseal: enrolled")
        status = node.until(lambda now: now.time > 0)
    assert status.node == name
    assert (directory / "flash/triseal/node.crt").read_bytes() == lost


def test_what_the_site_refuses_is_one_line_and_changes_nothing(line: Line, site: Serving) -> None:
    directory, name = line.board(server=["127.0.0.1", site.port])
    line.world.manager.expect(name, tokens.draw(), 1000)
    with started(directory) as node:
        said = node.until_line("triseal: link:")
        assert said == "triseal: link: not-enrolled: the site refuses: bad-token"
    place = directory / "flash/triseal"
    assert {path.name for path in place.iterdir()} >= {"bundle.der", "settings.json", "node.key"}
    assert not (place / "node.crt").exists()
    assert "token" in json.loads((place / "settings.json").read_text())


def test_nobody_but_its_site_hears_of_a_board(line: Line, tmp_path: Path) -> None:
    with LinkWorld(tmp_path / "farm") as farm, serving(farm) as impostor:
        directory, _ = line.board(server=["127.0.0.1", impostor.port])
        with started(directory) as node:
            assert "triseal: link: bad-signature" in node.until_line("triseal: link:")
        until(
            lambda: (
                impostor.counted("triseal_closed_connections_total", code="closed")
                + impostor.counted("triseal_closed_connections_total", code="connection-lost")
                > 0
            ),
            "it leaves",
        )
        assert impostor.counted("triseal_closed_connections_total", code="bad-token") == 0


def test_a_certificate_for_another_key_uses_nothing_up(line: Line) -> None:
    directory, name = line.board()
    foreign = line.world.add_node(f"{name}-other")
    year = Validity(line.world.now, line.world.now + 365 * 86400)
    wrong = line.world.manager.authority.certify_node(name, foreign, year).der
    with VirtualBoard(directory) as virtual, Board(virtual.port) as board:
        before = board.call("nlsm.newcomer.request")
        incoming = directory / "flash/triseal/incoming"
        incoming.mkdir()
        (incoming / "node.crt").write_bytes(wrong)
        with pytest.raises(DeviceFailed, match="WrongKey"):
            board.exec("import nlsm.enrol\nnlsm.enrol.accept()")
        assert board.call("nlsm.newcomer.request") == before


def test_until_then_it_hears_of_its_certificate_and_of_nothing_else() -> None:
    said = [str(kind) for kind in range(20)]
    said[messages.REFUSED], said[messages.ENROLLED] = "refused", "written"
    assert on_micropython.run("newcomer").split() == said


def test_without_a_token_it_seeks_no_server_and_asks_for_nothing() -> None:
    assert on_micropython.run("no_token").splitlines() == [
        "kitchen {'node': 'kitchen'} to make it a node: triseal node provision",
        "there is no token in its settings",
    ]
