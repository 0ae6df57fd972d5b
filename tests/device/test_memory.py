"""An agent without memory: services still end, connections are tried again, and at last the board
is reset.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from boards.code import stage
from nlsm import linked, memory
from tests.device.conftest import Start
from tests.device.node import NAME, PATIENCE, by_name
from tests.device.on_micropython import run
from tests.device.site import Deployment, Site
from triseal.site.cable import agent
from triseal.site.errors import NoAgent


def stay() -> set[str]:
    """The modules that are never unloaded, on a node with a link."""
    resident = set(memory._RESIDENT.split()) - {"errors", "compat", "grants"}
    found = {f"nlsm.{name}" for name in resident}
    found |= {"sealcore.errors", "sealcore.compat", "sealcore.grants"}
    for names in (
        memory.TRUST,
        memory.SERVICES,
        memory.READ,
        memory.CHECK,
        memory.CONTENT,
        linked._LINK,
    ):
        found |= set(names.split())
    return found


def imported_at_once(path: str, source: bytes) -> Iterator[str]:
    """The modules of both packages that a module holds from its import on."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom):
            base = path.partition("/")[0] if node.level else ""
            base = ".".join(filter(None, (base, node.module)))
            if base in stage.PACKAGES:
                yield from (f"{base}.{one.name}" for one in node.names)
            elif base.partition(".")[0] in stage.PACKAGES:
                yield base


@pytest.mark.parametrize("name", sorted(stay()))
def test_a_module_that_stays_holds_no_module_that_is_unloaded(name: str) -> None:
    """It would stay in memory, too, and a second copy would be loaded beside it."""
    path = name.replace(".", "/") + ".py"
    held = set(imported_at_once(path, stage.sources()[path]))
    assert held <= stay()


def held_by_frames(source: bytes) -> Iterator[str]:
    """The modules that a coroutine has imported, and still holds while it waits."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        nodes = list(ast.walk(function))
        deleted = {
            name.id
            for node in nodes
            if isinstance(node, ast.Delete)
            for name in node.targets
            if isinstance(name, ast.Name)
        }
        last = max((node.lineno for node in nodes if isinstance(node, ast.Await)), default=0)
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.lineno < last:
                names = {one.name for one in node.names} - deleted
                yield from (f"{function.name}: {name}" for name in names)


def test_no_coroutine_holds_a_module_that_is_unloaded() -> None:
    """The frame of a coroutine lives as long as a connection, or as the node."""
    sources = {path: text for path, text in stage.sources().items() if path.startswith("nlsm/")}
    held = {one for source in sources.values() for one in held_by_frames(source)}
    assert held == {"run: board"}  # it resets the board with it


def tries(greeted: int) -> int:
    """After how many tries the board was reset, if the site had answered to this one."""
    said = run("starved", arguments=[greeted], heap="100k")
    assert "out-of-memory" in said
    return int(said.rpartition("tries")[2])


def test_six_tries_in_a_row_reset_the_board() -> None:
    assert tries(greeted=0) == 6


def test_an_answer_of_the_site_in_between_counts_anew() -> None:
    assert tries(greeted=4) == 10


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ("one.cut('out-of-memory')", "failed out-of-memory"),
        ("one.fail(error)", "failed MemoryError"),
    ],
)
def test_a_service_is_ended_without_any_allocation(ends: str, shown: str) -> None:
    assert run("locked", f"micropython.heap_lock()\n{ends}\nended()").strip() == shown


def test_a_look_at_a_service_that_runs_allocates_nothing() -> None:
    """What each look makes anew lies between all other objects soon."""
    code = "micropython.heap_lock()\nended = one.ended()\nmicropython.heap_unlock()\nprint(ended)"
    assert run("locked", code).strip() == "False"


def test_small_objects_that_are_made_anew_leave_long_free_pieces() -> None:
    """Services and the agent replace small objects all the time, beside garbage of all sizes. On a
    heap with 80 KiB free, a frame of 8 KiB must find room, however long the node runs.
    """
    assert run("pieces", heap="256k").split() == ["plenty", "room"]


HELD_FOR_GOOD = b"""\
import asyncio
async def main(ctx):
    asyncio.kept = []
    while True:
        asyncio.kept = [asyncio.kept]
        await asyncio.sleep(0)
"""


def test_a_board_whose_memory_is_gone_for_good_is_reset(
    start: Start, site: Site, spki: bytes, ticker: Deployment
) -> None:
    node = start(site.deploy("holder", HELD_FOR_GOOD, NAME, spki), ticker, heap="128k")
    node.start()
    end = time.monotonic() + 2 * PATIENCE
    while node.virtual.starts == 1:
        assert time.monotonic() < end
        with suppress(NoAgent):
            agent.ask(node.port, 1.0)
    status = node.ask()
    assert by_name(status) == {"holder": "waiting-for-time", "ticker": "waiting-for-time"}
