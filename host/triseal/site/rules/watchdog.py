"""What hardware watchdogs can do, by `sys.platform` or the name of the chip."""

from __future__ import annotations

from collections.abc import Mapping

from triseal.site.errors import WatchdogTooLong

# The RP2040 and RP2350 count 8388 ms at most; that of an ESP8266 can't be set.
_LONGEST = {"rp2": 8, "rp2040": 8, "rp2350": 8, "esp8266": 0}


def check(board: str, settings: Mapping[str, object]) -> None:
    """Whether a board can have the watchdog of these settings.

    Args:
        board: its `sys.platform`, or its chip.
        settings: what the agent reads of settings.json.

    Raises:
        WatchdogTooLong: it can't.
    """
    wanted = int(str(settings.get("watchdog", 0)))
    longest = _LONGEST.get(board)
    if longest is not None and wanted > longest:
        raise WatchdogTooLong(f"{wanted} s; {board}: {longest} s at most")
