"""A node's time, told by the site and moved on by ticks: never too early, never for too long."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

# Ticks that pass when a row says so; what the firmware computes with them is its own.
CLOCK = """
import time
from nlsm import clock
from sealcore import errors

PERIOD = time.ticks_add(0, -1) + 1
WRAP = PERIOD // 2 + 1000  # more than half of what the counter holds: a negative difference

class Ticks:
    now = 0
    ticks_diff = time.ticks_diff
    ticks_add = time.ticks_add
    def ticks_ms():
        return Ticks.now % PERIOD

clock.time = Ticks
T = 1795363200
c = clock.Clock(T)

def after(*steps):
    found = ""
    for ms in steps:
        Ticks.now += ms
        try:
            found += " %d" % (c.now() - T)
        except errors.NoTrustedTime:
            found += " none"
    print(found)

def told(seconds, passed=0):
    try:
        c.set(T + seconds, passed)
    except errors.Rollback:
        print("rollback")

def answered(q, *steps):
    for ms in steps:
        Ticks.now += ms
        try:
            print(len(q.answered()[0]), end=" ")
        except errors.BadMessage:
            print("refused", end=" ")
"""

# (what happens to a clock c; the seconds since T that it then shows)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("without an answer there is no time", "c = clock.Clock(T)\nafter(0, 5000)", "none none"),
    ("it moves on, however often it is asked", "told(0)\nafter(700, 700, 700, 900)", "1 2 3 3"),
    ("it is the latest that the answer can mean", "told(0, 1500)\nafter(0, 500, 1)", "2 2 3"),
    ("the floor is a time like any other", "told(0)", ""),
    ("a second before the floor is none", "told(-1)\nafter(0)", "rollback none"),
    ("what it was told is the new floor", "told(50)\ntold(49)\nafter(0)", "rollback 50"),
    ("it is not before what was signed", "told(0)\nc.raise_floor(T + 9)\nafter(0, 10000)", "9 10"),
    ("a floor does not fall", "c.raise_floor(T + 9)\nc.raise_floor(T)\ntold(8)", "rollback"),
    ("grace begins at the floor and ends", "c = clock.Clock(T, 3)\nafter(0, 2999, 1, 0)",
     "0 2 none none"),
    ("grace ends where nobody asked for long", "c = clock.Clock(T, 3)\nafter(9000, 0)",
     "none none"),
    ("grace that has ended stays so", "c = clock.Clock(T, 3)\nafter(3000)\nc.raise_floor(T + 9)\n"
     "after(0)", "none none"),
    ("told, it needs no grace", "c = clock.Clock(T, 3)\ntold(0)\nafter(9000)", "9"),
    ("ticks that have come round say nothing", "told(0)\nafter(WRAP, 0, 1000)", "none none none"),
    ("nor do they give grace again", "c = clock.Clock(T, 1 << 30)\nafter(1000, WRAP)", "1 none"),
    ("a question is answered once", "answered(clock.Question(), 30000, 0)", "16 refused"),
    ("and not late", "answered(clock.Question(), 30001)", "refused"),
    ("nor early, where ticks have come round", "answered(clock.Question(), WRAP)", "refused"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "shown"), ROWS, ids=[row[0] for row in ROWS])
def test_time(sentence: str, code: str, shown: str) -> None:
    assert on_micropython.run(CLOCK + code).split() == shown.split(), sentence
