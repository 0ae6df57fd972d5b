"""What a site believes of a board at a cable."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from boards.board import Board
from boards.errors import DeviceFailed
from boards.virtual.board import VirtualBoard
from sealcore import errors
from tests.worlds.site_world import NOW, World, ends
from triseal import database, signer
from triseal.site.cable import dialogue, enrolment, installation
from triseal.site.cable.agent import NodeStatus, ServiceStatus
from triseal.site.errors import NodeStopped, OtherBoard
from triseal.site.manager import Manager
from triseal.site.records import ledger, nodes, tables
from triseal.testing import Site


def test_a_board_speaks_for_the_node_that_was_meant_alone(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    world.manager.add_service(world.package())
    for node in ("hall", "kitchen"):
        world.add_node(node)
        world.manager.assign(node, "thermo")
    made = world.manager.deployment("hall", "thermo")
    service = ServiceStatus("thermo", "running", "", "", "1.0", NOW + 5000, 0, ())
    serials = {"thermo": ledger.serial_bytes(made.seal.serial)}
    status = NodeStatus("hall", NOW, 3, bytes(16), 100000, (service,), serials, bytes(16))
    dialogue.note(world.manager, "hall", status)
    more = replace(status, serials={**serials, "invented": bytes(16)})
    dialogue.note(world.manager, "hall", more)
    with database.reading(world.manager.engine) as connection:
        assert connection.scalars(select(tables.holdings.c.service)).all() == ["thermo"]
    with pytest.raises(OtherBoard):
        dialogue.note(world.manager, "kitchen", replace(status, services=(), serials={}))
    found = world.manager.undeploy("hall", "thermo")
    assert ends(found) == {"hall": NOW + 5000}


# What a board that is no node might answer to a function of `nlsm`.
ANSWERS = (
    ("install", "challenge", "bytes(15)"),
    ("install", "challenge", "'x' * 16"),
    ("install", "challenge", "None"),
    ("install", "accept", "{}"),
    ("install", "accept", "[]"),
    ("install", "accept", "{'ms': '1', 'heap': 2}"),
    ("newcomer", "request", "5"),
    ("newcomer", "request", "('x', b'y')"),
    ("newcomer", "request", "(b'x',)"),
)


def test_a_board_that_is_no_node_is_one_error(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    bundle = world.manager.bundle().der
    with VirtualBoard(tmp_path / "board") as virtual, Board(virtual.port) as board:
        board.mkdirs("/triseal")
        board.mkdirs("/lib/nlsm")
        board.write("/triseal/bundle.der", bundle)
        board.write("/lib/nlsm/__init__.py", b"")
        for module, function, answer in ANSWERS:
            board.write(f"/lib/nlsm/{module}.py", f"def {function}(*_): return {answer}".encode())
            names = ("nlsm", f"nlsm.{module}")
            board.exec(f"import sys\nfor n in {names}:sys.modules.pop(n, 0)")
            with pytest.raises(DeviceFailed):
                ASKED[function](world, board)


def prepare(world: World, board: Board) -> None:
    installation.prepare(world.manager, board, silent)


def offer(_: World, board: Board) -> None:
    installation.offer(board, "thermo", {"site.der": b"x"}, silent)


def test_a_board_that_says_nothing_of_what_it_was_given_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack
) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    world.manager.add_service(world.package())
    world.add_node("hall")
    status = NodeStatus("hall", NOW, 3, bytes(16), 100000, (), {}, bytes(16))
    for module, name in (
        (dialogue, "check_is"),
        (dialogue, "update_bundle"),
        (installation, "_install"),
        (installation, "_restart"),
    ):
        monkeypatch.setattr(module, name, lambda *_: status)
    with VirtualBoard(tmp_path / "board") as virtual, Board(virtual.port) as board:
        monkeypatch.setattr(board, "soft_reset", board.close)
        with pytest.raises(DeviceFailed, match="nothing of what"):
            installation.deploy(world.manager, board, "hall", ["thermo"], silent)


def test_a_node_that_an_interrupted_command_leaves_stopped_is_one_error(
    tmp_path: Path, stack: ExitStack
) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    with VirtualBoard(tmp_path / "board") as virtual, Board(virtual.port) as board:
        with pytest.raises(KeyboardInterrupt), dialogue.back_to_work(world.manager, board):
            raise KeyboardInterrupt  # this board is no node, so there is nothing to run
        work = dialogue.back_to_work(world.manager, board)
        work.__enter__()
        virtual.freeze()
        board.patience = 0.5
        with pytest.raises(NodeStopped):
            work.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        virtual.thaw()


def redeem(world: World, board: Board) -> None:
    enrolment._redeem(world.manager, board, silent)


ASKED = {"challenge": prepare, "accept": offer, "request": redeem}


def silent(step: str, done: int, total: int) -> None:
    pass


def test_what_a_site_tells_a_node_that_others_tell_too(tmp_path: Path) -> None:
    """The grace that it may have, a time that was overtaken on its way, a newer bundle: a node
    that is connected to the site's server hears of it from two sides."""
    with closing(Site(tmp_path / "desk")) as desk, VirtualBoard(tmp_path / "board") as virtual:
        desk.manager.add_node("kitchen")
        desk.manager.allow_grace("kitchen", 90, in_force=True)
        graces = []

        def report(*_: object) -> None:
            with database.reading(desk.manager.engine) as connection:
                graces.append(nodes.grace_of(connection, "kitchen"))

        with Board(virtual.port) as board:
            enrolment.enrol(desk.manager, board, "kitchen", {"grace": 100}, report)
            assert graces[-1] == 100, "while it may have what it was sent"
            enrolment.enrol(desk.manager, board, "kitchen", {"grace": 60}, report)
            report()
            assert graces[-2:] == [100, 60], "and no longer"
            now = desk.now()
            ahead = iter([now - 60, now + 1])
            with Manager(tmp_path / "desk" / "site", bytes, lambda: next(ahead)) as site:
                assert dialogue.tell_time(site, board).time >= now + 1
            with (
                Manager(tmp_path / "desk" / "site", bytes, lambda: now - 60) as site,
                pytest.raises(errors.Rollback),
            ):
                dialogue.tell_time(site, board)
            desk.manager.trust_developer("Eve", signer.KeySigner(signer.generate("p256")).spki)
            installation.prepare(desk.manager, board, report)
            assert board.read("/triseal/bundle.der") == desk.manager.bundle().der
