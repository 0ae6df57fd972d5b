"""Whatever a service does in the loop ends that service: not the agent, not its neighbour."""

from __future__ import annotations

from pathlib import Path

import pytest

from boards.board import Board
from boards.port import Port
from boards.virtual.board import VirtualBoard
from tests import full
from tests.device.conftest import Start
from tests.device.node import NAME, Node, by_name, put
from tests.device.site import Deployment, Site

# What is raised, and the code that is told of it.
RAISED = (
    ("ValueError('x')", "ValueError"),
    ("KeyboardInterrupt", "KeyboardInterrupt"),
    ("SystemExit", "SystemExit"),
    ("GeneratorExit", "GeneratorExit"),
    ("StopIteration", "RuntimeError"),
    ("MemoryError", "MemoryError"),
    ("asyncio.TimeoutError", "TimeoutError"),
    ("Own", "Own"),
)
TOP = "import asyncio, io, sys\nclass Own(BaseException): pass\n"
FOREVER = "async def main(ctx):\n    await asyncio.sleep(60)\n"
CHILD = "async def child():\n    await asyncio.sleep_ms(10)\n    raise WHAT\n"
# Where: a module that raises WHAT there.
PLACES = {
    "in main": "async def main(ctx):\n    raise WHAT\n",
    "in main, later": "async def main(ctx):\n    await asyncio.sleep_ms(10)\n    raise WHAT\n",
    "at import": "raise WHAT\n",
    "in main that is a function": "def main(ctx):\n    raise WHAT\n",
    "in a task": CHILD
    + "async def main(ctx):\n    asyncio.create_task(child())\n    await asyncio.sleep(60)\n",
    "in a task of the module": CHILD + "asyncio.create_task(child())\n" + FOREVER,
    "in a task that main awaits": CHILD
    + "async def main(ctx):\n    await asyncio.create_task(child())\n",
    "in gather": CHILD + "async def main(ctx):\n    await asyncio.gather(child(), child())\n",
    "in wait_for": CHILD + "async def main(ctx):\n    await asyncio.wait_for(child(), 60)\n",
    "in a handler of the loop": CHILD.replace("WHAT", "OSError")
    + "def handle(loop, context):\n    raise WHAT\n"
    "async def main(ctx):\n    asyncio.get_event_loop().set_exception_handler(handle)\n"
    "    asyncio.create_task(child())\n    await asyncio.sleep(60)\n",
    "in the callback of a task": CHILD.replace("raise WHAT", "pass")
    + "def done(task, error):\n    raise WHAT\n"
    "async def main(ctx):\n    asyncio.create_task(child()).state = done\n"
    "    await asyncio.sleep(60)\n",
    "in a stream of its own": "class Odd(io.IOBase):\n    def ioctl(self, request, _):\n"
    "        if request == 3:\n            raise WHAT\n        return -1\n"
    "async def main(ctx):\n    await asyncio.StreamReader(Odd()).read(1)\n",
    "while it is cancelled": "async def main(ctx):\n    task = asyncio.current_task()\n"
    "    async def child():\n        task.cancel()\n    asyncio.create_task(child())\n"
    "    try:\n        await asyncio.sleep(60)\n    finally:\n        raise WHAT\n",
}


def app(place: str, what: str) -> bytes:
    return (TOP + PLACES[place].replace("WHAT", what)).encode()


@pytest.mark.parametrize("place", PLACES)
def test_what_a_service_raises_is_its_own_failure(
    place: str, start: Start, site: Site, spki: bytes, ticker: Deployment
) -> None:
    made = [
        site.deploy(f"s{i}", app(place, what), NAME, spki) for i, (what, _) in enumerate(RAISED)
    ]
    node = start(ticker, *made)
    node.tell_time()
    status = node.until(
        lambda now: all(one.state != "running" for one in now.services if one.name != "ticker")
    )
    found = {one.name: (one.state, one.code, one.detail[:7]) for one in status.services}
    assert found.pop("ticker") == ("running", "", "")
    for i, (what, code) in enumerate(RAISED):
        if what == "StopIteration":
            assert found[f"s{i}"][0] in ("failed", "stopped")
        else:
            assert found[f"s{i}"] == ("failed", code, "app.py:"), what
    assert node.virtual.starts == 1


def test_a_late_import_of_an_own_module_says_what_to_do(
    start: Start, site: Site, spki: bytes
) -> None:
    source = b"async def main(ctx):\n    import util\n"
    node = start(site.deploy("late", source, NAME, spki))
    node.start()
    (one,) = node.until(lambda now: by_name(now) == {"late": "failed"}).services
    assert one.code == "ImportError"
    assert one.detail == "app.py:2: no module named 'util' (own modules: import them at the top)"


LEAKS = {
    "a chain": "keep = []\n    while True:\n        keep = [keep]\n"
    "        await asyncio.sleep(0)\n",
    "a list": "keep = []\n    while True:\n        keep.append('x%200d' % len(keep))\n"
    "        await asyncio.sleep_ms(1)\n",
    "buffers": "keep = []\n    while True:\n        keep.append(bytearray(3000))\n"
    "        await asyncio.sleep_ms(20)\n",
    "tasks": "while True:\n        asyncio.create_task(nap())\n        await asyncio.sleep(0)\n",
    "and survives it": "keep = []\n    while True:\n        try:\n"
    "            keep = [keep, bytearray(64)]\n        except MemoryError:\n            pass\n"
    "        await asyncio.sleep(0)\n",
}


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("heap", full.rows(["128k", "512k"], 0))
def test_a_leak_ends_the_service_that_leaks(
    leak: str, heap: str, start: Start, site: Site, spki: bytes, ticker: Deployment
) -> None:
    source = (
        "import asyncio\nasync def nap():\n    await asyncio.sleep(60)\n"
        f"async def main(ctx):\n    {LEAKS[leak]}"
    ).encode()
    node = start(site.deploy("leaky", source, NAME, spki), ticker, heap=heap)
    node.start()
    status = node.until(lambda now: by_name(now)["leaky"] == "failed")
    codes = {one.name: one.code for one in status.services}
    assert codes["leaky"] in ("MemoryError", "out-of-memory")
    assert node.virtual.starts == 1


# What keeps the interpreter busy in a service's own code when somebody presses Ctrl-C.
BUSY = {
    "never, it sleeps": "await asyncio.sleep(60)",
    "nearly always": "while True:\n        for _ in range(3000):\n            pass\n"
    "        await asyncio.sleep(0)",
    "always": "while True:\n        pass",
    "and knows of it": "while True:\n        try:\n            while True:\n                pass\n"
    "        except KeyboardInterrupt:\n            pass",
}


@pytest.mark.parametrize("busy", BUSY)
def test_a_person_can_stop_the_agent_whatever_services_do(
    busy: str, directory: Path, site: Site, spki: bytes
) -> None:
    source = f"import asyncio\nasync def main(ctx):\n    ctx.log('begins')\n    {BUSY[busy]}\n"
    put(directory / "flash", site.deploy("busy", source.encode(), NAME, spki, grants=("log",)))
    with VirtualBoard(directory) as virtual:
        with Port(virtual.port) as port:
            node = Node(site, virtual, port)
            node.start()
            node.until_line("busy: begins")
        with Board(virtual.port) as board:
            assert board.exec("print(6 * 7)") == "42\n"


def test_a_service_that_changes_the_key_that_interrupts_changes_nothing(
    start: Start, site: Site, spki: bytes
) -> None:
    source = b"""\
import asyncio, micropython
async def main(ctx):
    for _ in range(100):
        micropython.kbd_intr(-1)
        await asyncio.sleep_ms(1)
"""
    node = start(site.deploy("one", source, NAME, spki))
    node.tell_time()
    node.until(lambda now: by_name(now)["one"] == "stopped")
    node.port.send(b"\x03")
    node.until_line("triseal: interrupted")
