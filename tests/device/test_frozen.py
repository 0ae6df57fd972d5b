"""A node whose agent is in its firmware: nothing is copied, and all of it works from there.

A ROMFS stands for what is frozen, which the interpreter at hand can't be given.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from boards.board import Board
from boards.flashing import chips, image
from boards.virtual.board import VirtualBoard
from tests.device.conftest import TICKER
from tests.host.boards.test_frozen import put
from triseal import testing


def test_from_an_empty_board_to_the_end_of_a_seal_without_a_file_of_code(tmp_path: Path) -> None:
    whole = testing.Site(tmp_path / "site")
    with closing(whole), VirtualBoard(tmp_path / "board", "1m") as virtual:
        put(virtual, image.romfs(chips.named("rp2040")))
        with Board(virtual.port) as board:
            node = testing.Node(board, whole, {})
            assert node.provisioned.code.in_firmware
            node.deploy(TICKER.decode(), "ticker", grants=["bus.publish:home/#"])
            node.renew("ticker")
            assert node.service("ticker").state == "running"
            node.remove("ticker")
            assert node.restart().services == ()
            assert not board.tree("/lib")
