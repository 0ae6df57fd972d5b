"""The real agent of an earlier program at the server of today: it runs, renews, and is replaced."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bench._site import Site, server
from boards import micropython
from boards.virtual.board import VirtualBoard
from sealcore import messages
from tests.lifecycle.test_update import PATIENCE, SERVICE, World, slot
from tests.worlds import last_agent, waiting
from triseal import database, protocol
from triseal.site.records import tables

LIFETIME = 30  # seconds
OWN = ("main.py", "lib/slots.mpy")  # come by cable only


def renewed(world: World, node: str, times: int) -> None:
    """Wait until the node was issued so many seals more of its service."""
    table = tables.seals.c
    query = select(func.count()).where(table.node == node, table.service == "thermo")
    with database.reading(world.site.manager.engine) as connection:
        before = connection.execute(query).scalar_one()
    for _ in waiting.looks(PATIENCE):
        with database.reading(world.site.manager.engine) as connection:
            if connection.execute(query).scalar_one() >= before + times:
                return
    pytest.fail(f"{node} has not renewed its seal {times} times")


@pytest.mark.long
def test_the_agent_of_an_earlier_program_is_served_and_updated(tmp_path: Path) -> None:
    files = last_agent.files()
    with Site(tmp_path, "p256", lifetime=LIFETIME) as site:
        site.add_service("thermo", SERVICE)
        with server(site.home, tmp_path / "log", "--log-level", "warning") as (ports, _):
            world = World(site, ports, tmp_path)
            folder = world.node("kitchen")
            shutil.rmtree(folder / "flash/lib")
            for path, data in files.items():
                place = folder / "flash" / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
            with VirtualBoard(folder, "512k"):
                world.runs("kitchen")
                renewed(world, "kitchen", 2)
                world.runs("kitchen")
                world.is_known("kitchen")
                assert not (folder / "flash/agent").exists()
                name = world.release()
                site.manager.assign("kitchen", name)
                world.runs("kitchen", name)
                assert slot(folder) == "a"
                renewed(world, "kitchen", 2)
                world.runs("kitchen")
                world.runs("kitchen", name)
            # The agent of today starts by what an earlier program has left on the board, too.
            for path in OWN:
                assert (folder / "flash" / path).read_bytes() == files[path]
            with VirtualBoard(folder, "512k"):
                renewed(world, "kitchen", 1)
                world.runs("kitchen")


SAYS_HELLO = """
import sys
sys.path.insert(0, {library!r})
from nlsm import answers
class Clock:
    known = lambda self: 0
class Node:
    name, bundle, cause, services, clock = "kitchen", (1, bytes(16)), "power-on", {{}}, Clock()
class Question:
    nonce = bytes(16)
print(answers.hello(Node, Question).hex())
"""


def test_the_protocol_of_an_earlier_program_is_served(tmp_path: Path) -> None:
    """A release that changes the version goes on to serve the one before."""
    for path, data in last_agent.files().items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    code = SAYS_HELLO.format(library=str(tmp_path / "lib"))
    kind, values = messages.parse(bytes.fromhex(micropython.run(["-c", code]).stdout))
    assert (kind, values[1]) == (messages.HELLO, "kitchen")
    assert values[0] in protocol.SERVED
    assert messages.PROTOCOL in protocol.SERVED


def test_what_a_release_records_is_what_a_board_gets(tmp_path: Path) -> None:
    written = tmp_path / "agent.tar.xz"
    last_agent.record(written)
    first = written.read_bytes()
    last_agent.record(written)
    assert written.read_bytes() == first
    paths = last_agent.files().keys()
    assert {*OWN, "lib/nlsm/swap.mpy", "lib/sealcore/custody.mpy"} <= paths
