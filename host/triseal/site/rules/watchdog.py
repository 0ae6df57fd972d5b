"""The limits of hardware watchdogs, by `sys.platform` or the name of the chip."""

from __future__ import annotations

from collections.abc import Mapping

from triseal.site.errors import WatchdogTooLong

# The RP2040 and RP2350 count at most 8388 ms; the time of an ESP8266's watchdog can't be set.
_LONGEST = {"rp2": 8, "rp2040": 8, "rp2350": 8, "esp8266": 0}


def check(board: str, settings: Mapping[str, object]) -> None:
    """Check that a board's watchdog can count as long as its settings want.

    Args:
        board: `sys.platform` of the board, or the name of its chip.
        settings: the contents of the board's settings.json.

    Raises:
        WatchdogTooLong: the board's watchdog can't count so long.
    """
    wanted = int(str(settings.get("watchdog", 0)))
    longest = _LONGEST.get(board)
    if longest is not None and wanted > longest:
        raise WatchdogTooLong(f"{board} can count at most {longest} s, not {wanted} s")
