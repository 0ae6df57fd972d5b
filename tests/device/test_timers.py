"""Hardware timers that a service gets by `ctx.timer`."""

from __future__ import annotations

import pytest

from tests.device.on_micropython import run

# (what services do, and what is printed)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("a timer calls", "ctx.timer(20, lambda: print('hi')).go_off()\nprint(Timer.made[0].period)",
     "hi 20"),
    ("without the grant there is none", "attempt(lambda: have('x', 'log')[1].timer(1, print))",
     "NotGranted timer"),
    ("its arguments are checked",
     "attempt(lambda: ctx.timer(0, print), lambda: ctx.timer('1', print),"
     " lambda: ctx.timer(1.5, print), lambda: ctx.timer(1, 2))",
     "ValueError less than 1 ms" + " TypeError a timer takes an int and a function" * 3),
    ("no two services get the same one, and each goes back when its service ends",
     "attempt(*[lambda: ctx.timer(1, print)] * 3, lambda: its.timer(1, print),"
     " lambda: its.timer(1, print))\none.stop('stopped')\none.ended()\n"
     "attempt(lambda: its.timer(1, print))\nprint(Timer.made[-1].number, len(other.lent))",
     "done done done done TooLarge timers timer 2 ends timer 1 ends timer 0 ends done 0 2"),
    ("a port may have any number of them",
     "Timer.numbers = (-1,)\nattempt(*[lambda: ctx.timer(1, print)] * 5)", "done " * 5),
    ("what it calls belongs to its service, whoever has the turn",
     "t = ctx.timer(1, lambda: print(tasks.owner().name))\ntasks.begin(Node.services, other)\n"
     "t.go_off()\nprint(tasks.owner().name)", "one other"),
    ("after the end it calls nothing",
     "t = ctx.timer(1, lambda: print('no'))\none.stop('expired')\n"
     "t.go_off()\nprint('end')", "end"),
    ("an error in it ends its service alone",
     "t = ctx.timer(1, lambda: 1 // 0)\nt.go_off()\nprint(one.state)\ngo_on()\n"
     "print(one.state, one.code, other.state)",
     "running failed ZeroDivisionError running"),
    ("so does a Ctrl-C that it raises itself",
     "def call():\n    raise KeyboardInterrupt\nt = ctx.timer(1, call)\nt.go_off()\ngo_on()\n"
     "print(one.state, one.code)", "failed KeyboardInterrupt"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "shown"), ROWS, ids=[row[0] for row in ROWS])
def test_timers(sentence: str, code: str, shown: str) -> None:
    assert run("timers", code).split() == shown.split(), sentence


def test_a_value_that_an_interrupt_publishes_is_not_overlooked() -> None:
    """It comes just before the task would wait."""
    code = """
feed = bus._Feed("a", one, [])
class Wake:
    def __init__(self): self.is_set = False
    def set(self): self.is_set = True
    def clear(self):
        if not feed.queue: feed.put("value")
        self.is_set = False
    async def wait(self):
        if not self.is_set: print("asleep")
        await asyncio.sleep(0)
feed._wake = Wake()
async def take(): print(await feed.take())
tasks.create(take(), one)
go_on()
"""
    assert run("timers", code).split() == ["('value',", "0)"]
