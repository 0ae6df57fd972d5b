r"""pytest on boards: `--board virtual|/dev/ttyACM0|socket://HOST:PORT|rp2040:FIRMWARE.uf2`.

A test with the fixture `board` runs once on each board that was named; without a name, on
a virtual one. The same test runs on all of them.

    def test_adds(board):
        assert board.exec("print(1 + 1)") == "2\n"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from boards.board import Board
    from boards.testing.targets import Power, Target

# The folder of a node. A test begins without it, but with the code that is there already.
STATE = "/triseal"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run to `parser`."""
    group = parser.getgroup("boards")
    group.addoption(
        "--board",
        action="append",
        metavar="BOARD",
        help="virtual (default), a serial port, socket://HOST:PORT, virtual:NAME or "
        "rp2040:FIRMWARE.uf2; may be repeated. What is on the board is lost.",
    )
    group.addoption(
        "--board-power",
        default="",
        metavar="COMMAND",
        help="switches a real board's power: run with `off` or `on` as its last word",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test once for each board that was named."""
    if "target" in metafunc.fixturenames:
        named = metafunc.config.getoption("board") or ["virtual"]
        metafunc.parametrize("target", named, indirect=True, scope="session")


@pytest.fixture(scope="session")
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """The board of this run, with everything that can be done to it from outside."""
    from boards.testing import targets

    directory = tmp_path_factory.mktemp("board")
    switch = request.config.getoption("board_power")
    with targets.open_target(request.param, directory, switch) as found:
        yield found


@pytest.fixture
def board(target: Target) -> Iterator[Board]:
    """The board, reached and without the files of an earlier node."""
    from boards.board import Board

    if target.power is not None:
        target.power.power_on()  # the previous test may have left it off
    with Board(target.port, patience=target.patience) as found:
        found.remove_tree(STATE)
        yield found


@pytest.fixture
def power(target: Target, board: Board) -> Power:
    """The switch of the board's power; without a switch the test is skipped."""
    if target.power is None:
        pytest.skip("nobody can switch this board's power; see --board-power")
    return _Switched(target.power, board)


class _Switched:
    """A power switch after which `board` finds its port again."""

    def __init__(self, power: Power, board: Board) -> None:
        self._power = power
        self._board = board

    def power_cut(self) -> None:
        self._power.power_cut()

    def power_on(self) -> None:
        self._power.power_on()
        self._board.reconnect()
