"""How long a node waits until it connects again: the longer, the more often it has failed."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

DIAL = """
import asyncio
import time
from nlsm import dial

class Ticks:
    now = (1 << 29) - 500  # they wrap on the way
    ticks_diff = time.ticks_diff
    def ticks_ms():
        return Ticks.now & (1 << 30) - 1

class Node:
    settings = {}
    services = {}

class Enough(BaseException):
    pass

class Dial(dial.Dial):
    async def _serve(self):
        self.greeted, lasted = PLAYS.pop(0)
        Ticks.now += lasted
        raise OSError
    def say(self, code, error):
        pass
    def _draw(self, name, *values):
        return 0
    def _pause(self, attempt):
        print(attempt, end=" ")
        if not PLAYS:
            raise Enough
        return 0

dial.time = Ticks
PLAYS = %r
try:
    asyncio.run(Dial(Node).run())
except Enough:
    pass
"""
NO_ANSWER, BRIEF, STEADY = (False, 30000), (True, 9999), (True, 10000)
DAYS = (True, 10 * 86400 * 1000)  # the counter of ticks has gone half round

# (what becomes of each connection, the number of failures that each wait is drawn for)
ROWS: tuple[tuple[str, list[tuple[bool, int]], str], ...] = (
    ("no answer", [NO_ANSWER] * 3, "1 2 3"),
    ("an end right after WELCOME", [BRIEF] * 3, "1 2 3"),
    ("either of them", [BRIEF, NO_ANSWER, BRIEF], "1 2 3"),
    ("a connection that held ends the count", [NO_ANSWER, BRIEF, STEADY, BRIEF], "1 2 0 1"),
    ("however long it held", [NO_ANSWER, DAYS, STEADY], "1 0 0"),
)


@pytest.mark.parametrize(("sentence", "plays", "attempts"), ROWS, ids=[row[0] for row in ROWS])
def test_failures_in_a_row_are_counted(
    sentence: str, plays: list[tuple[bool, int]], attempts: str
) -> None:
    assert on_micropython.run(DIAL % (plays,)).split() == attempts.split(), sentence
