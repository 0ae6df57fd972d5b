"""Which services the agent ends, and when: to the second, and without waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device import on_micropython

WATCH = """
import time
from nlsm import agent, board, clock, installer, linked, service

class Ticks:
    now = 0
    ticks_diff = time.ticks_diff
    ticks_add = time.ticks_add
    def ticks_ms():
        return Ticks.now

clock.time = Ticks
T = 1795363200

class Task:
    def __init__(self, clings):
        self._gone = False
        self._clings = clings
    def done(self):
        return self._gone
    def cancel(self):
        self._gone = not self._clings

class Node:
    services = {}
    clock = clock.Clock(T)
    held = 0
    flight = None
    def tell():
        pass
    def land():
        print("lands")

def have(name, end, clings=False):
    one = Node.services[name] = service.Service(name)
    one.not_after = T + end
    one.grants = one.granted = ("log",)
    one.tasks = [Task(clings)]
    one.set("running")
    return one

def watch(seconds=0):
    Ticks.now += seconds * 1000
    agent.watch(Node)
    for name in sorted(Node.services):
        one = Node.services[name]
        print(name, one.state, len(one.grants), sum([not task.done() for task in one.tasks]))

board.reset = lambda: print("reset")
linked.load = lambda: None
installer.finish = lambda node: print("finish")
Node.clock.set(T, 0)
Ticks.now = 0
"""

# (what happens to services, and what they are then: state, grants, tasks that go on)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("a seal's last second counts", "have('a', 9)\nwatch(9)", "a running 1 1"),
    ("and none after it", "have('a', 9)\nwatch(10)", "a expired 0 0"),
    ("another one goes on", "have('a', 9)\nhave('b', 10)\nwatch(10)",
     "a expired 0 0 b running 1 1"),
    ("without the time nothing runs", "have('a', 9)\nNode.clock = clock.Clock(T)\nwatch()",
     "a waiting-for-time 0 0"),
    ("who comes to an end has stopped", "have('a', 9).tasks[0]._gone = True\nwatch()",
     "a stopped 0 0"),
    ("who does not end costs a reset, but not at once",
     "have('a', 9, True)\nwatch(10)\nwatch(5)\nprint('-')\nTicks.now += 1\nwatch()",
     "a expired 0 1 a expired 0 1 - triseal: a does not stop, so the board is reset"
     " lands reset a expired 0 1"),
    ("what was to follow is done when it has ended, not before",
     "one = have('a', 9, True)\none.finish('replace', 'installing')\nwatch()\n"
     "one.tasks[0]._gone = True\nwatch()",
     "a installing 0 1 finish a installing 0 0"),
)  # fmt: skip


# A service that has failed: the seconds at which it is looked at, and how often it was started
# again by then.
FAILED = """
def fails(one):
    one.set("failed", "ValueError")
    one.tasks = []
    one.then = ""

def look(*moments):
    for moment in moments:
        Ticks.now = moment * 1000
        agent.watch(Node)
        one = Node.services["a"]
        print(moment, one.restarts, one.then or "-")
        if one.then:
            one.began = clock.ms()
            fails(one)

installer.finish = lambda node: None
one = have("a", 1000000)
one.began = 0
fails(one)
"""
RETRIES: tuple[tuple[str, str, str], ...] = (
    ("after 1, 2, 4 seconds, and so on", "look(0, 1, 1, 2, 3, 3, 6, 7)",
     "0 0 - 1 1 start 1 1 - 2 1 - 3 2 start 3 2 - 6 2 - 7 3 start"),
    ("at last every 300 seconds",
     "one.fails = 9\nlook(10, 309, 310, 310, 609, 610)",
     "10 0 - 309 0 - 310 1 start 310 1 - 609 1 - 610 2 start"),
    ("who has run for long begins with one second again",
     "one.fails = 9\none.began = 0\nlook(301, 302)", "301 0 - 302 1 start"),
    ("never, where its metadata says so", "one.once = True\nlook(0, 1, 2, 600)",
     "0 0 - 1 0 - 2 0 - 600 0 -"),
    ("not one that came to its end", "one.set('stopped')\nlook(0, 1, 600)",
     "0 0 - 1 0 - 600 0 -"),
    ("nor one that was refused", "one.set('refused', 'hash-mismatch')\nlook(0, 1, 600)",
     "0 0 - 1 0 - 600 0 -"),
    ("nor before all of it has ended",
     "one.tasks = [Task(True)]\none.stopped_at = clock.ms()\nlook(0, 1, 4)",
     "0 0 - 1 0 - 4 0 -"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "then"), RETRIES, ids=[row[0] for row in RETRIES])
def test_who_has_failed_is_started_again(sentence: str, code: str, then: str) -> None:
    assert on_micropython.run_code(WATCH + FAILED + code).split() == then.split(), sentence


@pytest.mark.parametrize(("sentence", "code", "then"), ROWS, ids=[row[0] for row in ROWS])
def test_watch(sentence: str, code: str, then: str) -> None:
    assert on_micropython.run_code(WATCH + code).split() == then.split(), sentence


ADMIT = """
from nlsm import admission
from sealcore import errors
def raising(node, one):
    raise failure
admission._check_and_import = raising
for failure in (MemoryError("short"), RuntimeError("deep"), errors.NoTrustedTime()):
    one = have("a", 9)
    admission.check(Node, one)
    print(one.state, one.code, one.detail)
"""


def test_what_can_not_be_checked_does_not_run_and_ends_no_other() -> None:
    assert on_micropython.run_code(WATCH + ADMIT).splitlines() == [
        "failed MemoryError short",
        "failed RuntimeError deep",
        "waiting-for-time no-trusted-time ",
    ]


# (an executable; its main, its tasks and grants, and whether it was stopped)
IMPORTED = (
    ("main = 7", "7 0 1 False"),
    ("import asyncio\nasyncio.create_task((lambda: (yield))())\n1 / 0", "None 1 0 True"),
)


@pytest.mark.parametrize(("source", "then"), IMPORTED, ids=["that is", "that fails"])
def test_an_import_leaves_nothing_behind(source: str, then: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/app.py").write_text(source)
    code = f"""
import sys
from nlsm import keystore, loader, service, tasks
keystore.SERVICES = {str(tmp_path)!r}
before = list(sys.path)
one = service.Service("a")
one.grants = ("log",)
loader.load({{"a": one}}, one)
print(one.main, len(one.tasks), len(one.grants), one.stopped_at > 0)
print(sys.path == before, "app" in sys.modules, tasks._state[1])
"""
    assert on_micropython.run_code(code).splitlines() == [then, "True False None"]


@pytest.mark.parametrize(
    ("end", "said"), [("return", "stopped"), ("1 / 0", "failed ZeroDivisionError")]
)
def test_what_main_has_started_ends_with_it(end: str, said: str) -> None:
    code = f"""
import asyncio
from nlsm import loop, runner, service

async def beat():
    while True:
        await asyncio.sleep(0)

async def start(ctx):
    asyncio.create_task(beat())
    await asyncio.sleep(0)
    {end}

async def main():
    running.begin()
    for _ in range(9):
        await asyncio.sleep(0)
    print(one.state, one.code, one.grants, one.ended())

class Node:
    services = {{"a": service.Service("a")}}

one = Node.services["a"]
one.main = start
one.grants = ("log",)
running = runner.Runner(Node)
loop.run(main(), lambda: None)
"""
    assert on_micropython.run_code(code).split() == [*said.split(), "()", "True"]


LOOP = """
from nlsm import runner

class Node:
    settings = {"watchdog": 8}
    services = {"a": service.Service("a")}
    link = None

class Runner:
    def __init__(self, node):
        print("begin")
    def begin(self):
        pass

looks = [MemoryError("short"), RuntimeError("deep")]

def watch(node):
    if looks:
        raise looks.pop(0)
    node.services = {}

async def sleep_ms(_):
    pass

agent.watch = watch
agent.asyncio.sleep_ms = sleep_ms
runner.Runner = Runner
board.watch = lambda seconds: lambda: print("fed", seconds)
agent.run(Node)
"""


def test_want_of_memory_ends_no_agent_and_each_look_feeds_the_watchdog() -> None:
    """Until its services are gone and nobody is at the other end, which on a board never is."""
    assert on_micropython.run_code(WATCH + LOOP).splitlines() == [
        "begin",
        "fed 8",
        "triseal: out-of-memory: short",
        "fed 8",
        "triseal: out-of-memory: deep",
        "fed 8",
    ]


BATCH = """
from nlsm import console, duties, link

class Link(link.Link):
    def drop(self):
        print("drop")

Node.link = Link(Node)
Node.link.renewed = [(name, b"serial", b"signature") for name in "abc"]

def renew(link, name, *_):
    print("check", name)

def watch(node):
    if not node.link.renewed:
        node.services = {}

duties.renew = renew
agent.watch = watch
console.Console.take = lambda line: print("console")
"""


def test_renewals_that_came_together_are_checked_in_turns_and_the_watchdog_is_fed_between() -> None:
    code = WATCH + LOOP.replace("agent.run(Node)", BATCH + "agent.run(Node)")
    assert on_micropython.run_code(code).splitlines() == [
        "begin",
        "fed 8",
        "check a",
        "fed 8",
        "check b",
        "fed 8",
        "check c",
        "fed 8",
        "console",
    ]


FALSE = """
import asyncio

main = None

async def go_on():
    while True:
        await asyncio.sleep(0)

asyncio.create_task(go_on())
"""


def test_a_main_that_is_false_is_a_failure_and_does_not_leave_tasks_to_run(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/app.py").write_text(FALSE)
    code = f"""
from nlsm import keystore, loader, runner
keystore.SERVICES = {str(tmp_path)!r}
one = Node.services["a"] = service.Service("a")
loader.load(Node.services, one)
runner.Runner(Node).begin()
print(one.state, one.code, one.stuck())
watch()
watch(6)
"""
    assert on_micropython.run_code(WATCH + code).splitlines() == [
        "failed TypeError False",
        "a failed 0 1",
        "triseal: a does not stop, so the board is reset",
        "lands",
        "reset",
        "a failed 0 1",
    ]
