"""An agent without memory: services still end, connections are tried again, and at last the board
is reset.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from boards import micropython
from tests.device.conftest import Start
from tests.device.node import NAME, PATIENCE, by_name
from tests.device.on_micropython import run_code as run
from tests.device.site import Deployment, Site
from triseal.site.cable import agent
from triseal.site.errors import NoAgent

ROOT = Path(__file__).resolve().parent.parent.parent
# Each connection wants more than there is; the port has no `machine`, so a reset ends the program.
STARVED = """\
import asyncio
from nlsm import dial

class Node:
    settings = {}
    services = {}

    def land():
        pass

class Starved(dial.Dial):
    tries = 0

    async def _serve(self):
        self.tries += 1
        self.greeted = self.tries == GREETED
        bytearray(1 << 30)

    def _draw(self, name, *values):
        return 0

    def _stakes(self):
        return ()

starved = Starved(Node)
try:
    asyncio.run(starved.run())
finally:
    print("tries", starved.tries)
"""


def tries(greeted: int) -> int:
    """After how many tries the board was reset, if the site had answered to this one."""
    done = micropython.run(
        ["-X", "heapsize=100k", "-c", STARVED.replace("GREETED", str(greeted))],
        environment={"MICROPYPATH": f"{ROOT}/common:{ROOT}/device:.frozen"},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "out-of-memory" in done.stdout
    return int(done.stdout.rpartition("tries")[2])


def test_six_tries_in_a_row_reset_the_board() -> None:
    assert tries(greeted=0) == 6


def test_an_answer_of_the_site_in_between_counts_anew() -> None:
    assert tries(greeted=4) == 10


# While the heap is locked, each allocation fails with MemoryError: ending a service may need none.
# The service goes on after a MemoryError, also after one that takes the place of its cancellation.
LOCKED = """\
import asyncio, micropython
from nlsm import loop, service, tasks

class Stubborn(Exception):
    pass

async def main():
    while True:
        try:
            await asyncio.sleep(60)
        except MemoryError:
            pass

one = service.Service("one")
one.tasks = []
tasks.begin({"one": one}, None)
coroutine = main()
task = one.root = tasks.create(coroutine, one)
one.set("running")
queue = asyncio.core._task_queue
error = Stubborn()
assert queue.pop() is task
asyncio.core.cur_task = task
loop._step(queue, task, one, coroutine, None)
assert queue.peek() is task and not task.done()
asyncio.core.cur_task = None
micropython.heap_lock()
ENDS
assert queue.pop() is task
asyncio.core.cur_task = task
loop._step(queue, task, one, coroutine, None)
micropython.heap_unlock()
assert task.done() and not one.tasks and not tasks.owners
print(one.state, one.code)
"""


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ("one.cut('out-of-memory')", "failed out-of-memory"),
        ("one.fail(error)", "failed MemoryError"),
    ],
)
def test_a_service_is_ended_without_any_allocation(ends: str, shown: str) -> None:
    assert run(LOCKED.replace("ENDS", ends)).strip() == shown


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
