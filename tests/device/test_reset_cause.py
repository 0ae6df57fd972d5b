"""The cause of the last reset, in the words that the site is told: ports know different ones."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

RP2 = {"PWRON_RESET": 1, "WDT_RESET": 3}
ESP32 = {
    "PWRON_RESET": 1, "HARD_RESET": 2, "WDT_RESET": 3, "DEEPSLEEP_RESET": 4, "SOFT_RESET": 5,
}  # fmt: skip
LOW = {"PWRON_RESET": 0, "BROWNOUT_RESET": 9}

# (which port, the names that it has, what it says, the word)
ROWS = (
    ("a Pico after power-on", RP2, 1, "power-on"),
    ("a Pico after its watchdog", RP2, 3, "watchdog"),
    ("an ESP32 whose button was pressed", ESP32, 2, "hard-reset"),
    ("an ESP32 that slept", ESP32, 4, "deep-sleep"),
    ("an ESP32 after Ctrl-D", ESP32, 5, "soft-reset"),
    ("a supply that was too low", LOW, 9, "brown-out"),
    ("what has no name", ESP32, 0, "unknown"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "names", "cause", "word"), ROWS, ids=[row[0] for row in ROWS])
def test_each_port_has_its_word(
    sentence: str, names: dict[str, int], cause: int, word: str
) -> None:
    code = f"tell(Machine({cause}, **{names}))"
    assert on_micropython.run("reset_cause", code).strip() == word, sentence


@pytest.mark.parametrize("machine", ["None", "object()"])
def test_a_port_that_says_nothing(machine: str) -> None:
    assert on_micropython.run("reset_cause", f"tell({machine})").strip() == "unknown"
