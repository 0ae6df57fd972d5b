"""Which services the agent ends, and when: to the second, and without waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device import on_micropython

# (what happens to services, and what they are then: state, grants, tasks that go on)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("a seal's last second counts", "have('a', 9)\nwatch(9)", "a running 1 1"),
    ("and none after it", "have('a', 9)\nwatch(10)", "a expired 0 0"),
    ("another one goes on", "have('a', 9)\nhave('b', 10)\nwatch(10)",
     "a expired 0 0 b running 1 1"),
    ("without the time nothing runs", "have('a', 9)\nNode.clock = clock.Clock(NOW)\nwatch()",
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


# (the seconds at which a service that has failed is looked at, and how often it was started again
#  by then)
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
    assert on_micropython.run("restarts", code).split() == then.split(), sentence


@pytest.mark.parametrize(("sentence", "code", "then"), ROWS, ids=[row[0] for row in ROWS])
def test_watch(sentence: str, code: str, then: str) -> None:
    assert on_micropython.run("watch", code).split() == then.split(), sentence


def test_what_can_not_be_checked_does_not_run_and_ends_no_other() -> None:
    assert on_micropython.run("unchecked").splitlines() == [
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
    assert on_micropython.run("imported", arguments=[tmp_path]).splitlines() == [
        then,
        "True False None",
    ]


@pytest.mark.parametrize(
    ("end", "said"), [("return", "stopped"), ("1 / 0", "failed ZeroDivisionError")]
)
def test_what_main_has_started_ends_with_it(end: str, said: str) -> None:
    code = (
        "async def start(ctx):\n    asyncio.create_task(beat())\n    await asyncio.sleep(0)\n"
        f"    {end}\nrun(start)"
    )
    assert on_micropython.run("main_ends", code).split() == [*said.split(), "()", "True"]


def test_want_of_memory_ends_no_agent_and_each_look_feeds_the_watchdog() -> None:
    """Until its services are gone and nobody is at the other end, which on a board never is."""
    assert on_micropython.run("agent_loop", "agent.run(Node)").splitlines() == [
        "begin",
        "fed 8",
        "triseal: out-of-memory: short",
        "fed 8",
        "triseal: out-of-memory: deep",
        "fed 8",
    ]


def test_each_look_feeds_the_guard_of_a_trial_too() -> None:
    """Also where the settings want no watchdog."""
    code = "Node.settings = {}\nNode.feed = lambda: print('guard')\nagent.run(Node)"
    assert on_micropython.run("agent_loop", code).splitlines().count("guard") == 3


# (whether the board has a watchdog, and a guard; whether the guard is told of the agent's watchdog)
TAKEN_OVER = ((True, True, True), (True, False, False), (False, True, False))


@pytest.mark.parametrize(("has", "guarded", "told"), TAKEN_OVER)
def test_the_watchdog_of_the_agent_takes_over_from_the_guard(
    has: bool, guarded: bool, told: bool
) -> None:
    code = f"""
from nlsm import swap
swap.watch = lambda: print("taken over")
if not {has}:
    board.watch = lambda seconds: None
if {guarded}:
    Node.feed = lambda: None
agent.run(Node)
"""
    assert ("taken over" in on_micropython.run("agent_loop", code).splitlines()) is told


# How often memory is too short for an agent without services, and whether the board is reset.
ALONE = ((20, ["reset 6"]), (1000, ["reset 6"]), (1400, ["goes on"]))


@pytest.mark.parametrize(("every", "then"), ALONE)
def test_want_of_memory_counts_for_a_minute(every: int, then: list[str]) -> None:
    code = f"""
count = 0
def turn(self):
    global count
    count += 1
    if count % {every} == 0:
        raise MemoryError("short")
    return count < 10000
agent.console.Console.turn = turn
agent.watch = lambda node: None
Node.services = {{}}
try:
    agent.run(Node)
    print("goes on")
except MemoryError:
    print("reset", count // {every})
"""
    said = on_micropython.run("agent_loop", code).splitlines()
    assert [line for line in said if line.startswith(("reset", "goes"))] == then


# Whether a service runs, and what becomes of an agent whose every turn fails with another error.
LASTING = ((False, ["reset 201"]), (True, ["goes on"]))


@pytest.mark.parametrize(("runs", "then"), LASTING)
def test_an_error_that_lasts_resets_a_board_on_which_nothing_runs(
    runs: bool, then: list[str]
) -> None:
    code = f"""
class One:
    state = "running"
    tasks = [1] * {runs:d}
count = 0
def turn(self):
    global count
    count += 1
    if count < 1000:
        raise OSError("no module")
    Node.services = {{}}
agent.console.Console.turn = turn
agent.watch = lambda node: None
Node.services = {{"one": One}}
try:
    agent.run(Node)
    print("goes on")
except OSError:
    print("reset", count)
"""
    said = on_micropython.run("agent_loop", code).splitlines()
    assert [line for line in said if line.startswith(("reset", "goes"))] == then


def test_renewals_that_came_together_are_checked_in_turns_and_the_watchdog_is_fed_between() -> None:
    assert on_micropython.run("renewed_together").splitlines() == [
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
    assert on_micropython.run("false_main", arguments=[tmp_path]).splitlines() == [
        "failed TypeError False",
        "a failed 0 1",
        "triseal: a does not stop, so the board is reset",
        "lands",
        "reset",
        "a failed 0 1",
    ]


def test_a_task_whose_turn_comes_late_ends_with_the_seal_of_its_service() -> None:
    """The agent looks at the time before this turn, and cancels the very task that has it."""
    code = """
import time
async def block():
    time.sleep_ms(450)
async def act():
    print("acts")
tasks.create(block(), other)
tasks.create(act(), one)
async def turn():
    await asyncio.sleep_ms(1)
loop.run(turn(), lambda: one.stop("expired", "expired"))
print(one, one.ended(), other)
"""
    assert (
        on_micropython.run("timers", code).split("\n")[0]
        == "one expired: expired True other running"
    )


# (what has become of services and of the clock, and which are checked)
CHECKS: tuple[tuple[str, str, str], ...] = (
    ("one that has ended is not, when another one is", "expired('a', -1)\nfresh('x')\nn.check()",
     "x"),
    ("one of which nobody knows when it ended is not either, until the clock is set",
     "expired('a', None)\nfresh('x')\nn.check()\nprint('-')\nback(0)\nn.check()", "x - a"),
    ("one whose end lies ahead again, since the clock was set back, is",
     "expired('a', -9)\nexpired('x', -2)\nback(8)", "x"),
    ("what has ended by any clock is not", "expired('a', -9)\nback(8)", ""),
    ("without the time nobody knows what has ended",
     "expired('a', 9)\nn.clock.trusted = False\nn.check()", ""),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "checked"), CHECKS, ids=[row[0] for row in CHECKS])
def test_a_check_costs_a_small_board_a_second_so_none_is_in_vain(
    sentence: str, code: str, checked: str
) -> None:
    assert on_micropython.run("rechecked", code).split() == checked.split(), sentence


def test_an_end_that_cannot_be_told_ends_no_agent() -> None:
    assert on_micropython.run("untold").splitlines() == [
        "goes on",
        "triseal: a task that asyncio.create_task has not made does not run",
        "goes on",
    ]
