"""New settings over the link: tried, kept if they reach the site, given up if they do not."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from boards.port import Port
from boards.virtual.board import VirtualBoard
from tests.device import linked, on_micropython
from tests.device.node import Node as Watched
from tests.worlds.link_world import LinkWorld, serving
from tests.worlds.waiting import looks
from triseal import database
from triseal.site.records import labels
from triseal.site.server.listeners import tls

NODES = ("kitchen", "hall")

# What a node does with an offer, without a link.
ROWS = (
    ("new ones, on trial", "offer(1, {'spread': 9})",
     "drop ('grace', 5) ('spread', 9) ('version', 1) trial"),
    ("a value that is taken away", "offer(1, {'grace': None})", "drop ('version', 1) trial"),
    ("a short watchdog that was provisioned", "begin(watchdog=5)\noffer(1, {'spread': 9})",
     "drop ('spread', 9) ('version', 1) ('watchdog', 5) trial"),
    ("no watchdog any more", "begin(watchdog=5)\noffer(1, {'watchdog': None})",
     "drop ('version', 1) trial"),
    ("the same version again", "Node.settings['version'] = 2\noffer(2, {})",
     "! rollback ('grace', 5) ('version', 2) -"),
    ("a part of the configuration", "begin(config={'a': '1', 'b': '2'})\n"
     "offer(1, {'config': {'b': None, 'c': '3'}})\nprint(sorted(Node.settings['config']))",
     "drop ('config', {'a': '1', 'c': '3'}) ('version', 1) trial ['a', 'c']"),
    ("they reach the site", "offer(1, {'spread': 9})\nsettle.keep(Node)\nshow()\nflash()",
     "drop ('grace', 5) ('spread', 9) ('version', 1) trial"
     " ('grace', 5) ('spread', 9) ('version', 1) - ('grace', 5) ('spread', 9) ('version', 1)"),
    ("what is only in memory is not kept",
     "Node.settings.pop('grace')\noffer(1, {'spread': 9})\nsettle.keep(Node)\nflash()",
     "drop ('spread', 9) ('version', 1) trial ('grace', 5) ('spread', 9) ('version', 1)"),
    ("they do not", "offer(4, {'spread': 9})\nsettle.leave(Link)\nshow()\nflash()\n"
     "print(Link.turn)",
     "drop ('grace', 5) ('spread', 9) ('version', 4) trial"
     " say settings drop ('failed', 4) ('grace', 5) - ('grace', 5) 0"),
    ("others during the trial start from the old ones",
     "offer(1, {'spread': 9})\noffer(2, {'trial': 60})",
     "drop ('grace', 5) ('spread', 9) ('version', 1) trial"
     " drop ('grace', 5) ('trial', 60) ('version', 2) trial"),
    ("more than the next start can read",
     "begin(config={'a': 'x' * 4500})\noffer(1, {'config': {'b': 'y' * 3500}})\nflash()",
     "drop ('config', {'a': '" + 4500 * "x" + "'}) ('failed', 1) -"
     " ('config', {'a': '" + 4500 * "x" + "'})"),
    *((f"what would end the agent: {values}", f"offer(3, {values})",
       "drop ('failed', 3) ('grace', 5) -")
      for values in ("{'watchdog': '9'}", "{'grace': -1}", "{'watchdog': 7}", "{'spread': 1e9}",
                     "{'server': 1}", "{'server': []}", "{'wifi': {}}", "{'config': 'x'}", "[]",
                     "7", "{'trial': True}")),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "done"), ROWS, ids=[row[0] for row in ROWS])
def test_what_a_node_does_with_an_offer(sentence: str, code: str, done: str) -> None:
    assert on_micropython.run("settle", code).split() == done.split(), sentence


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with linked.make_world(tmp_path_factory.mktemp("settle")) as made:
        yield made


@pytest.fixture(scope="module")
def enrolled(world: LinkWorld, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The states of boards that are the nodes; copy them."""
    return [linked.enrol(world, name, tmp_path_factory.mktemp(name)) for name in NODES]


@pytest.fixture
def start(enrolled: list[Path], tmp_path: Path) -> Iterator[object]:
    """Starts the nodes with the server at a port, and a short trial."""
    with ExitStack() as stack:

        def run(port: int) -> list[Watched]:
            found = []
            for source in enrolled:
                directory = Path(shutil.copytree(source, tmp_path / source.name))
                first = {
                    "server": ["127.0.0.1", port],
                    "spread": 1,
                    "trial": 8,
                    "config": {"a": "1"},
                }
                (directory / "flash/triseal/settings.json").write_text(json.dumps(first))
                virtual = stack.enter_context(VirtualBoard(directory, "256k"))
                port_of = stack.enter_context(Port(virtual.port))
                found.append(Watched(None, virtual, port_of))  # type: ignore[arg-type]
            return found

        yield run


def kept(node: Watched) -> dict[str, object]:
    """What lies on the flash."""
    read = json.loads((node.root / "triseal/settings.json").read_text())
    assert isinstance(read, dict)
    return read


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for several connections of boards, on a busy computer too."""
    for _ in looks(120):
        if true():
            return
    raise AssertionError(f"never: {what}")


def states(world: LinkWorld) -> list[str]:
    return [one.state for one in world.manager.settings()]


def test_a_wrong_server_and_then_a_move_that_nobody_touches_a_board_for(
    world: LinkWorld, start: object
) -> None:
    site = world.manager
    with ExitStack() as stack:
        old = stack.enter_context(serving(world))
        boards = start(old.port)  # type: ignore[operator]
        until(lambda: old.counted("triseal_answers_total", outcome="facts") >= 2, "both nodes")
        with database.reading(site.engine) as connection:
            told = labels.told(connection)
        released = re.compile(r"\d+\.\d+\.\d+")
        assert all(released.fullmatch(told[node]["micropython"]) for node in NODES)
        deaf = stack.enter_context(contextlib.closing(tls.listen("127.0.0.1", 0)))
        wrong = ["127.0.0.1", deaf.getsockname()[1]]
        site.change_settings(NODES, {"server": [wrong], "config": {"b": "2"}})
        until(lambda: states(world) == ["given up"] * 2, "the end of the trial")
        for board in boards:
            assert kept(board)["server"] == ["127.0.0.1", old.port]
            assert kept(board)["config"] == {"a": "1"}
        # The same with the right one: the old one stays behind it until all have moved.
        new = stack.enter_context(serving(world))
        places = [["127.0.0.1", new.port], ["127.0.0.1", old.port]]
        site.change_settings(NODES, {"server": places, "trial": 120})
        until(lambda: states(world) == ["in force"] * 2, "the move")
        until(lambda: new.counted("triseal_answers_total", outcome="facts") >= 2, "the new server")
        before = new.counted("triseal_answers_total", outcome="facts")
        for board in boards:
            assert kept(board)["server"] == places
            assert kept(board)["config"] == {"a": "1", "b": "2"}
            board.virtual.reset()
        until(
            lambda: new.counted("triseal_answers_total", outcome="facts") >= before + 2,
            "both after a reset",
        )
