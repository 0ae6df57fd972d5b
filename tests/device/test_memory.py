"""An agent without the memory for a connection: it tries again, and at last resets the board."""

from __future__ import annotations

from pathlib import Path

from boards import micropython

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
