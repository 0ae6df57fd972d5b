"""An agent without memory: services still end, connections are tried again, and at last the board
is reset.
"""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from tests.device.conftest import Start
from tests.device.node import NAME, PATIENCE, by_name
from tests.device.on_micropython import run
from tests.device.site import Deployment, Site
from triseal.site.cable import agent
from triseal.site.errors import NoAgent


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
