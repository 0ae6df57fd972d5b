"""Run by MicroPython for the bench `custody`: checks and bare minima by turns."""

import gc
import time

import _custody_bare  # type: ignore[import-not-found]
import _custody_check  # type: ignore[import-not-found]


def compare(rounds: int) -> None:
    """Print for each of `rounds` rounds the microseconds of the bare minimum and of a check."""
    actions = _custody_bare.check, _custody_check.check
    for _ in range(rounds):
        for action in actions:
            gc.collect()
            begin = time.ticks_us()  # type: ignore[attr-defined]
            action()
            print(time.ticks_diff(time.ticks_us(), begin), end=" ")  # type: ignore[attr-defined]
        print()
