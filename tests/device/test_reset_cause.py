"""The cause of the last reset, in the words that the site is told: ports know different ones."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

BOARD = """
from nlsm import board

class Machine:
    %s
    def reset_cause():
        return %s

board.machine = Machine
print(board.reset_cause())
"""
RP2 = "PWRON_RESET, WDT_RESET = 1, 3"
ESP32 = "PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5"

# (which port, the names that it has, what it says, the word)
ROWS = (
    ("a Pico after power-on", RP2, 1, "power-on"),
    ("a Pico after its watchdog", RP2, 3, "watchdog"),
    ("an ESP32 whose button was pressed", ESP32, 2, "hard-reset"),
    ("an ESP32 that slept", ESP32, 4, "deep-sleep"),
    ("an ESP32 after Ctrl-D", ESP32, 5, "soft-reset"),
    ("a supply that was too low", "PWRON_RESET, BROWNOUT_RESET = 0, 9", 9, "brown-out"),
    ("what has no name", ESP32, 0, "unknown"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "names", "cause", "word"), ROWS, ids=[row[0] for row in ROWS])
def test_each_port_has_its_word(sentence: str, names: str, cause: int, word: str) -> None:
    assert on_micropython.run_code(BOARD % (names, cause)).strip() == word, sentence


@pytest.mark.parametrize("machine", ["None", "object()"])
def test_a_port_that_says_nothing(machine: str) -> None:
    code = f"from nlsm import board\nboard.machine = {machine}\nprint(board.reset_cause())"
    assert on_micropython.run_code(code).strip() == "unknown"
