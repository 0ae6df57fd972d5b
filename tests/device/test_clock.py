"""A node's time, told by the site and moved on by ticks: never too early, never for too long."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

# (what happens to a clock c; the seconds since NOW that it then shows)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("without an answer there is no time", "c = clock.Clock(NOW)\nafter(0, 5000)", "none none"),
    ("it moves on, however often it is asked", "told(0)\nafter(700, 700, 700, 900)", "1 2 3 3"),
    ("it is the latest that the answer can mean", "told(0, 1500)\nafter(0, 500, 1)", "2 2 3"),
    ("the floor is a time like any other", "told(0)", ""),
    ("a second before the floor is none", "told(-1)\nafter(0)", "rollback none"),
    ("what it was told is the new floor", "told(50)\ntold(49)\nafter(0)", "rollback 50"),
    ("it goes on from what was signed", "told(0)\nc.rise(NOW + 9)\nafter(0, 999, 2)", "9 10 11"),
    ("with the time that has passed until then", "told(0)\nTicks.now += 5000\nc.rise(NOW + 2)\n"
     "after(0, 1000)", "5 6"),
    ("what was signed before is nothing new", "told(9)\nc.rise(NOW + 8)\nafter(0)", "9"),
    ("a floor does not fall", "c.rise(NOW + 9)\nc.rise(NOW)\ntold(8)", "rollback"),
    ("it goes back where the site says so", "told(0)\nTicks.now += 60000\ntold(55)\nafter(0)",
     "55"),
    ("but not before what was signed", "told(0)\nTicks.now += 60000\nc.rise(NOW + 56)\ntold(55)\n"
     "after(0)", "rollback 60"),
    ("what was signed does not begin it", "c.rise(NOW + 9)\nafter(0)\nprint(c.known())", "none 0"),
    ("the site is told what it has told", "told(7)\nprint(c.known() - NOW)", "7"),
    ("but not what grace counts", "c = clock.Clock(NOW, 3)\nafter(1000)\nprint(c.known())", "1 0"),
    ("grace begins at the floor and ends", "c = clock.Clock(NOW, 3)\nafter(0, 2999, 1, 0)",
     "0 2 none none"),
    ("grace ends where nobody asked for long", "c = clock.Clock(NOW, 3)\nafter(9000, 0)",
     "none none"),
    ("grace that has ended stays so", "c = clock.Clock(NOW, 3)\nafter(3000)\nc.rise(NOW + 9)\n"
     "after(0)", "none none"),
    ("told, it needs no grace", "c = clock.Clock(NOW, 3)\ntold(0)\nafter(9000)", "9"),
    ("not asked for a week, it knows", "told(0)\nafter(HALF, 0, 1000)", "536872 536872 536873"),
    ("ticks come round", "told(0)\nafter(*[86400000] * 40)",
     " ".join(str(day * 86400) for day in range(1, 41))),
    ("at any moment", "Ticks.now += Ticks.PERIOD - 1500\ntold(0)\nafter(1000, 1000, 1000)",
     "1 2 3"),
    ("nor do they give grace again", "c = clock.Clock(NOW, 1 << 20)\nafter(1000, HALF, HALF)",
     "1 536872 none"),
    ("a question is answered once", "answered(clock.Question(), 30000, 0)", "16 refused"),
    ("and not late", "answered(clock.Question(), 30001)", "refused"),
    ("nor half a round of ticks later", "answered(clock.Question(), HALF)", "refused"),
    ("nor a whole one later", "q = clock.Question()\nTicks.now += Ticks.PERIOD // 2\nc.known()\n"
     "answered(q, Ticks.PERIOD // 2)", "refused"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "shown"), ROWS, ids=[row[0] for row in ROWS])
def test_time(sentence: str, code: str, shown: str) -> None:
    assert on_micropython.run("clocks", code).split() == shown.split(), sentence


@pytest.mark.parametrize("source", ["", "clock.os = Stuck"])
def test_no_nonce_is_drawn_twice_even_where_random_numbers_are_stuck(source: str) -> None:
    assert on_micropython.run("nonces", f"{source}\ndraw()") == "100 {16} 4\n"
