"""Whether a board can have the watchdog that its settings want."""

from __future__ import annotations

import pytest

from triseal.site.errors import WatchdogTooLong
from triseal.site.rules import watchdog

FITS = (
    ("rp2", 8),
    ("rp2", 0),
    ("rp2350", 8),
    ("esp32", 3600),
    ("linux", 9),
    ("esp8266", 0),
    ("samd", 16),
)
TOO_LONG = (
    ("rp2", 9),
    ("rp2040", 3600),
    ("rp2350", 9),
    ("esp8266", 1),
    ("samd", 17),
    ("mimxrt", 129),
)


@pytest.mark.parametrize(("board", "seconds"), FITS)
def test_a_watchdog_that_the_hardware_has(board: str, seconds: int) -> None:
    watchdog.check(board, {"watchdog": seconds})
    watchdog.check(board, {})


# (board, settings, seconds of the watchdog; 0 for none)
CHOSEN: tuple[tuple[str, dict[str, object], int], ...] = (
    ("esp32", {}, 30),
    ("esp32", {"wifi": ["home", "secret"]}, 30),
    ("esp32s3", {"watchdog": 5}, 5),
    ("esp32", {"watchdog": 0}, 0),
    ("rp2", {}, 0),
    ("rp2040", {"watchdog": 4}, 4),
    ("rp2350", {"watchdog": 0}, 0),
    ("rp2", {"watchdog": 8}, 8),
    ("esp8266", {}, 0),
    ("linux", {}, 0),
    ("linux", {"watchdog": 9}, 9),
)


@pytest.mark.parametrize(("board", "settings", "seconds"), CHOSEN)
def test_a_board_has_a_watchdog_unless_it_cannot(
    board: str, settings: dict[str, object], seconds: int
) -> None:
    found = watchdog.chosen(board, {"grace": 0, **settings})
    assert found.pop("watchdog", 0) == seconds
    assert found == {"grace": 0, **{k: v for k, v in settings.items() if k != "watchdog"}}
    with pytest.raises(WatchdogTooLong):
        watchdog.chosen("rp2", {"watchdog": 9})


@pytest.mark.parametrize(("board", "seconds"), TOO_LONG)
def test_one_that_it_has_not(board: str, seconds: int) -> None:
    with pytest.raises(
        WatchdogTooLong, match=f"{board} can count at most [0-9]+ s, not {seconds} s"
    ):
        watchdog.check(board, {"watchdog": seconds})
