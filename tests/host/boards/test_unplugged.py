"""Boards unplugged at any moment: one line, and the same command again completes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boards.virtual.board import VirtualBoard
from tests.full import Sweep
from tests.host.boards.esp_chip import EspChip
from tests.host.boards.plug import Plug
from tests.host.boards.test_flash import esp_image
from tests.host.commands import Commands
from triseal.cli.main import main

GONE = ("board-gone", "no-port", "no-answer", "board-timeout")
# Shares of what a command sends, after which the plug is pulled: many where much happens in few
# bytes, at the begin and after the code was copied.
BEGIN = (0, 0.003, 0.01, 0.03, 0.1)
SHARES = (*BEGIN, 0.3, 0.5, 0.7, 0.9, *(round(0.92 + 0.005 * n, 3) for n in range(14)))


@pytest.fixture
def commands(settled: Commands) -> Commands:
    """A site with a package and two nodes that no board is yet."""
    settled.run("site", "add-service", settled.release("1.0"))
    settled.run("site", "grant", "thermo", "log")
    for name in ("kitchen", "hall"):
        settled.run("site", "add-node", name)
    return settled


def octets_of(commands: Commands, board: VirtualBoard, *words: str) -> int:
    """How much a command sends that nobody interrupts."""
    with Plug(Path("port"), board.port) as plug:
        commands.run(*words, "--port", plug.port)
        return plug.passed


def test_a_board_unplugged_while_it_is_provisioned(
    commands: Commands, tmp_path: Path, sweep: Sweep[float]
) -> None:
    with VirtualBoard(tmp_path / "measured") as board:
        whole = octets_of(commands, board, "node", "provision", "--node", "kitchen")
    for share in sweep(SHARES, 2):
        node = f"node-{share}"
        commands.run("site", "add-node", node)
        words = ("node", "provision", "--node", node)
        with VirtualBoard(tmp_path / node) as board:
            with Plug(Path("port"), board.port, 1 + int(share * whole)) as plug:
                assert commands.fails(*words, "--port", plug.port) in GONE, share
            commands.run(*words, "--port", board.port)
            status = commands.json("node", "status", "--port", board.port)
            assert (status["node"], status["services"]) == (node, []), share


def test_a_board_unplugged_while_it_gets_a_service(
    commands: Commands, tmp_path: Path, sweep: Sweep[float]
) -> None:
    words = ("node", "deploy", "kitchen", "thermo")
    with VirtualBoard(tmp_path / "board") as board:
        commands.run("node", "provision", "--node", "kitchen", "--port", board.port)
        whole = octets_of(commands, board, *words)
        for share in sweep(SHARES, 3):
            commands.run("node", "remove", "kitchen", "thermo", "--port", board.port)
            with Plug(Path("port"), board.port, 1 + int(share * whole)) as plug:
                assert commands.fails(*words, "--port", plug.port) in GONE, share
            done = commands.json(*words, "--port", board.port)
            assert done["state"] == "running", share


@pytest.mark.usefixtures("patient_esptool")
def test_boards_are_flashed_and_provisioned_side_by_side(
    commands: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("firmware.bin").write_bytes(esp_image("esp32"))
    words = ["node", "flash", "--board", "esp32", "--firmware", "firmware.bin"]
    with (
        VirtualBoard(tmp_path / "one") as one,
        VirtualBoard(tmp_path / "two") as two,
        EspChip(tmp_path / "first", "esp32", one.port) as first,
        EspChip(tmp_path / "second", "esp32", two.port) as second,
    ):
        ports = ("--port", first.port, "--port", second.port)
        nodes = ("--node", "kitchen", "--node", "hall")
        assert main([*words, *ports, *nodes, "--json"]) == 0
        seen = capsys.readouterr()
        assert [one["node"] for one in json.loads(seen.out)] == ["kitchen", "hall"]
        for name, chip in (("kitchen", first), ("hall", second)):
            assert f"{chip.port}: Writing MicroPython\n" in seen.err
            assert commands.json("node", "status", "--port", chip.port)["node"] == name
        # Behind the port is now the board that has started, and nobody wants it erased.
        commands.run("site", "add-node", "attic")
        for node, code in (("kitchen", "other-node-key"), ("attic", "already-node")):
            assert main([*words, "--port", first.port, "--node", node]) == 1
            assert f"triseal: {code}: " in capsys.readouterr().err
        assert commands.json("node", "status", "--port", first.port)["time"], "it is at work again"
        assert first.erased == 1


@pytest.mark.long  # cli/test_node.py replaces a node, and the test above flashes
@pytest.mark.usefixtures("patient_esptool")
def test_a_board_of_another_node_is_flashed_where_that_is_wanted(
    commands: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("firmware.bin").write_bytes(esp_image("esp32"))
    words = ["node", "flash", "--board", "esp32", "--firmware", "firmware.bin", "--replace"]
    with (
        VirtualBoard(tmp_path / "one") as one,
        EspChip(tmp_path / "first", "esp32", one.port) as first,
    ):
        commands.run("node", "provision", "--node", "kitchen", "--port", one.port)
        assert main([*words, "--port", first.port, "--node", "hall", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["node"] == "hall"
