"""Whether a board can have the watchdog that its settings want."""

from __future__ import annotations

import pytest

from triseal.site.errors import WatchdogTooLong
from triseal.site.rules import watchdog

FITS = (("rp2", 8), ("rp2", 0), ("rp2350", 8), ("esp32", 3600), ("linux", 9), ("esp8266", 0))
TOO_LONG = (("rp2", 9), ("rp2040", 3600), ("rp2350", 9), ("esp8266", 1))


@pytest.mark.parametrize(("board", "seconds"), FITS)
def test_a_watchdog_that_the_hardware_has(board: str, seconds: int) -> None:
    watchdog.check(board, {"watchdog": seconds})
    watchdog.check(board, {})


@pytest.mark.parametrize(("board", "seconds"), TOO_LONG)
def test_one_that_it_has_not(board: str, seconds: int) -> None:
    with pytest.raises(WatchdogTooLong, match=f"{board} can count at most . s, not {seconds} s"):
        watchdog.check(board, {"watchdog": seconds})
