"""A small heap at its cable: from an empty flash to the end of a seal.

`HEAP=27k MICROPYTHON=...` tries another heap, on another interpreter.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from boards.board import Board
from boards.virtual.board import VirtualBoard
from tests import full
from tests.device.conftest import ECHO, TICKER
from triseal import database, testing
from triseal.site.rules import ending

# (services, heap); a board with 6 KiB less: the shim of a virtual board has the rest.
HEAPS = ((1, "92k"), (2, "96k"))


@pytest.mark.parametrize(("services", "heap"), full.rows(HEAPS, 1))
def test_from_an_empty_board_to_the_end_of_a_seal(services: int, heap: str, tmp_path: Path) -> None:
    live(services, os.environ.get("HEAP", heap), tmp_path)


def live(services: int, heap: str, folder: Path, algorithm: str = "rsa2048") -> None:
    """Make a site and a board in a folder, and lead it through its stages."""
    whole = testing.Site(folder / "site", algorithm)
    with (
        closing(whole),
        VirtualBoard(folder / "board", heap) as virtual,
        Board(virtual.port) as board,
    ):
        node = testing.Node(board, whole, {})
        node.deploy(TICKER.decode(), "ticker", grants=["bus.publish:home/#"])
        if services > 1:
            node.deploy(ECHO.decode(), "echo", grants=["log", "bus.subscribe:home/#"])
            node.wait_for("echo: home/kitchen/n=")
        assert {one.state for one in node.status().services} == {"running"}
        with database.writing(whole.manager.engine) as connection:
            ending.set_lifetime(connection, 5)
        node.renew("ticker")
        assert node.await_state("expired", "ticker").code == "expired"
        node.remove("ticker")
        assert [(one.name, one.state) for one in node.status().services] == [
            ("echo", "running")
        ] * (services - 1)
