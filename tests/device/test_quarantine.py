"""A service that takes the board down as it starts rests from the second time on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from boards.board import Board
from boards.errors import BoardError
from boards.port import Port
from boards.virtual.board import VirtualBoard
from sealcore import messages
from sealcore.compat import sha256
from tests.device.by_hand import SPKI, connected
from tests.device.conftest import TICKER, Start
from tests.device.node import NAME, Node, by_name, put
from tests.device.site import Deployment, Site
from triseal.site.cable import dialogue
from triseal.site.manager import Manager

RESET = b"import machine\nmachine.reset()\n"
RESET_LATER = b"""\
import asyncio, machine
async def main(ctx):
    await asyncio.sleep(WHEN)
    machine.reset()
"""
LOOP = b"async def main(ctx):\n    ctx.log('loops')\n    while True:\n        pass\n"
LOOP_AT_IMPORT = b"print('loops')\nwhile True:\n    pass\n"


def bad(site: Site, spki: bytes, source: bytes, version: str = "1.0.0") -> Deployment:
    return site.deploy("bad", source, NAME, spki, grants=("log",), version=version)


@contextmanager
def on(site: Site, directory: Path, *made: Deployment) -> Iterator[Node]:
    for one in made:
        put(directory / "flash", one)
    with VirtualBoard(directory) as virtual, Port(virtual.port) as port:
        yield Node(site, virtual, port)


def runs_until_reset(node: Node) -> None:
    """It gets the time, and is reset by what it starts."""
    starts = node.virtual.starts
    node.start()
    while node.virtual.starts == starts:
        node.until_line("")


@pytest.mark.parametrize(
    "source",
    [RESET, RESET_LATER.replace(b"WHEN", b"0"), RESET_LATER.replace(b"WHEN", b"2")],
    ids=["at import", "at once", "as it lives"],
)
def test_who_resets_the_board_twice_rests_and_its_neighbour_runs(
    source: bytes, site: Site, spki: bytes, directory: Path, ticker: Deployment
) -> None:
    with on(site, directory, bad(site, spki, source), ticker) as node:
        for _ in range(2):
            runs_until_reset(node)
        node.tell_time()
        status = node.until(lambda now: by_name(now)["bad"] == "quarantined")
        node.until(lambda now: by_name(now)["ticker"] == "running")
        assert node.virtual.starts == 3
        found = next(one for one in status.services if one.name == "bad")
        assert found.code == "hard-reset"
        notes = directory / "flash/triseal/starts"
        node.until(lambda _: "ticker" not in json.loads(notes.read_text()))
        node.virtual.reset()
        node.tell_time()
        node.until(lambda now: by_name(now) == {"bad": "quarantined", "ticker": "running"})


@pytest.mark.parametrize("source", [LOOP, LOOP_AT_IMPORT], ids=["in main", "at import"])
def test_who_blocks_the_board_rests_after_two_power_cycles(
    source: bytes, site: Site, spki: bytes, directory: Path, ticker: Deployment
) -> None:
    with on(site, directory, bad(site, spki, source), ticker) as node:
        for _ in range(2):
            node.start()
            node.until_line("loops")
            node.virtual.power_cut()
            node.virtual.power_on()
        node.tell_time()
        node.until(lambda now: by_name(now) == {"bad": "quarantined", "ticker": "running"})


def test_power_that_fails_again_and_again_as_services_start_is_not_their_fault(
    site: Site, directory: Path, ticker: Deployment
) -> None:
    with on(site, directory, ticker) as node:
        starts = directory / "flash/triseal/starts"
        for _ in range(4):
            node.tell_time()
            node.until(lambda _: json.loads(starts.read_text()).get("ticker", "  ")[1] == "l")
            node.virtual.power_cut()
            node.virtual.power_on()
        node.tell_time()
        node.until(lambda now: by_name(now) == {"ticker": "running"})
        node.until(lambda _: json.loads(starts.read_text()) == {})


def test_another_version_is_not_blamed(site: Site, spki: bytes, directory: Path) -> None:
    with on(site, directory, bad(site, spki, RESET)) as node:
        for _ in range(2):
            runs_until_reset(node)
        node.tell_time()
        node.until(lambda now: by_name(now) == {"bad": "quarantined"})
    with on(site, directory, bad(site, spki, b"async def main(ctx): pass\n", "2.0.0")) as node:
        node.tell_time()
        node.until(lambda now: by_name(now) == {"bad": "stopped"})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"bad": 1}', '{"bad": [1, 2]}', "\x00"])
def test_a_damaged_note_keeps_nothing_from_starting(
    text: str, site: Site, directory: Path, ticker: Deployment
) -> None:
    (directory / "flash/triseal/starts").write_text(text)
    with on(site, directory, ticker) as node:
        node.tell_time()
        node.until(lambda now: by_name(now) == {"ticker": "running"})


def test_a_person_who_ends_the_agent_blames_nobody(
    site: Site, directory: Path, spki: bytes
) -> None:
    made = site.deploy("ticker", TICKER, NAME, spki, grants=("bus.publish:home/kitchen/#",))
    with on(site, directory, made) as node:
        node.tell_time()
        node.port.send(b"\x03")
        node.until_line("triseal: interrupted")
        assert json.loads((directory / "flash/triseal/starts").read_text()) == {}


def test_what_the_site_removes_with_its_welcome_is_not_imported(
    site: Site, spki: bytes, directory: Path, start: Start, ticker: Deployment
) -> None:
    made = bad(site, spki, RESET), ticker
    with connected(lambda: start(*made), directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.send(messages.REMOVE, ["bad"])
        node.until(lambda now: by_name(now) == {"ticker": "running"})
        assert node.virtual.starts == 1


def test_a_version_that_mends_a_service_comes_before_the_old_one_is_imported(
    site: Site, spki: bytes, directory: Path, start: Start, ticker: Deployment
) -> None:
    made = bad(site, spki, RESET), ticker
    mended = bad(site, spki, TICKER.replace(b"ctx.publish", b"str"), "2.0.0")
    with connected(lambda: start(*made), directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.assign(mended)
        fetched = 0
        while fetched < len(mended.files) - 1:
            kind, values = link.read()
            if kind == messages.FETCH:
                if not fetched:  # others need not wait
                    node.until(lambda now: by_name(now)["ticker"] == "running")
                link.give(values, mended)
                fetched += 1
        node.until(lambda now: by_name(now) == {"bad": "running", "ticker": "running"})
        assert node.state("bad").version == "2.0.0"
        assert node.virtual.starts == 1


def test_the_site_lets_a_service_start_once_more(
    site: Site, spki: bytes, directory: Path, start: Start
) -> None:
    made = bad(site, spki, TICKER.replace(b"ctx.publish", b"str"))
    package = int.from_bytes(sha256(made.files["developer.der"])[:4], "big") >> 2
    notes = directory / "flash/triseal/starts"
    notes.write_text(json.dumps({"bad": [8, "", package, "watchdog"]}))
    with connected(lambda: start(made), directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        node.until(lambda now: by_name(now) == {"bad": "quarantined"})
        assert node.state("bad").code == "watchdog"
        link.send(messages.RESTART, ["bad"])
        node.until(lambda now: by_name(now) == {"bad": "running"})
        node.until(lambda _: json.loads(notes.read_text()) == {})


def test_a_service_that_blocks_is_ended_by_the_watchdog_and_rests(
    site: Site, spki: bytes, directory: Path, ticker: Deployment
) -> None:
    (directory / "flash/triseal/settings.json").write_text('{"watchdog": 3}')
    with on(site, directory, bad(site, spki, LOOP), ticker) as node:
        for _ in range(2):
            runs_until_reset(node)
        node.tell_time()
        node.until(lambda now: by_name(now) == {"bad": "quarantined", "ticker": "running"})
        assert node.state("bad").code == "watchdog"


def test_a_watchdog_that_the_hardware_can_not_have_ends_no_agent(
    site: Site, directory: Path, ticker: Deployment
) -> None:
    (directory / "flash/triseal/settings.json").write_text('{"watchdog": 9}')
    with on(site, directory, ticker) as node:
        node.start()
        assert "no watchdog of 9 s: " in node.until_line("no watchdog")
        node.until(lambda now: by_name(now) == {"ticker": "running"})


def test_work_at_the_cable_outlasts_the_watchdog(
    site: Site, directory: Path, ticker: Deployment
) -> None:
    (directory / "flash/triseal/settings.json").write_text('{"watchdog": 4}')
    put(directory / "flash", ticker)
    with VirtualBoard(directory) as virtual, Board(virtual.port) as board:
        node = Node(site, virtual, board)
        node.tell_time()
        node.until(lambda now: by_name(now) == {"ticker": "running"})
        with dialogue.back_to_work(cast(Manager, site), board):
            starts = virtual.starts
            assert board.exec("import time\ntime.sleep(5)\nprint(1)") == "1\n"
            assert virtual.starts == starts
        board.soft_reset()
        node.tell_time()
        node.until(lambda now: by_name(now) == {"ticker": "running"})
        with suppress(BoardError):  # nobody feeds the watchdog
            board.exec("import time\ntime.sleep(60)", 30)
        assert virtual.starts > starts
        assert not (directory / "flash/triseal/unwatched").exists()


@pytest.mark.parametrize("has_come", [False, True])
def test_work_at_the_cable_waits_for_no_guard_of_a_trial(
    site: Site, directory: Path, ticker: Deployment, has_come: bool
) -> None:
    """Where an agent has come over the link, `slots.py` may have started one, whatever the settings
    say: the board is reset without it."""
    if has_come:
        (directory / "flash/agent").mkdir()
        (directory / "flash/agent/active").touch()
    put(directory / "flash", ticker)
    with VirtualBoard(directory) as virtual, Board(virtual.port) as board:
        Node(site, virtual, board).tell_time()
        starts = virtual.starts
        with dialogue.back_to_work(cast(Manager, site), board):
            assert board.exec("print(1)") == "1\n"
            more = virtual.starts > starts + 1  # the agent is stopped by one start, in any case
        assert more is has_come
        assert not (directory / "flash/triseal/unwatched").exists()
