"""A small heap at its cable: from an empty flash to the end of a seal."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from boards.link import Board
from boards.virtual import VirtualBoard
from tests.device.conftest import ECHO, TICKER
from triseal import testing

# A board with 62: the shim of a virtual board has the rest.
HEAP = "72k"


def test_from_an_empty_board_to_the_end_of_a_seal_on_72_kib(tmp_path: Path) -> None:
    whole = testing.Site(tmp_path / "site")
    with (
        closing(whole),
        VirtualBoard(tmp_path / "board", HEAP) as virtual,
        Board(virtual.port) as board,
    ):
        node = testing.Node(board, whole, {})
        node.deploy(TICKER.decode(), "ticker", grants=["bus.publish:home/#"])
        node.deploy(ECHO.decode(), "echo", grants=["log", "bus.subscribe:home/#"])
        node.wait_for("echo: home/kitchen/n=")
        assert {one.name: one.state for one in node.status().services} == {
            "ticker": "running",
            "echo": "running",
        }
        whole.manager.lifetime = 5
        node.renew("ticker")
        assert node.await_state("expired", "ticker").code == "expired"
        assert node.service("echo").state == "running"
        node.remove("ticker")
        assert node.status().services[0].name == "echo"
