"""The limits and the defaults of hardware watchdogs, by `sys.platform` or the name of the chip."""

from __future__ import annotations

from collections.abc import Mapping

from triseal.site.errors import WatchdogTooLong

# The RP2040 and RP2350 count at most 8388 ms; the time of an ESP8266's watchdog can't be set. Those
# of a SAMD and an i.MX RT take more, and wait for so long all the same.
_LONGEST = {"rp2": 8, "rp2040": 8, "rp2350": 8, "esp8266": 0, "samd": 16, "mimxrt": 128}
# Longer than any step of the agent. An RP2 has no default: its watchdog waits for 8 s at most, and
# the check of three P-256 seals or a name server that does not answer may take as long. A reset
# then would end services to which nothing has happened.
_DEFAULT = {"esp32": 30, "esp32s3": 30, "esp32c3": 30}


def chosen(board: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings for a board: with a watchdog where none is chosen and one can be on.

    Args:
        board: `sys.platform` of the board, or the name of its chip.
        settings: the contents of the board's settings.json; `watchdog` 0 means none.

    Raises:
        WatchdogTooLong: the board's watchdog can't count so long.
    """
    check(board, settings)
    made = {"watchdog": _DEFAULT.get(board, 0), **settings}
    if not made["watchdog"]:
        del made["watchdog"]
    return made


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
