"""What MicroPython runs for the bench `custody`: checks and bare minima by turns."""

import gc
import time

from bench import _custody_bare, _custody_check


def compare(rounds: int) -> None:
    """Print, for each round, the microseconds of the bare minimum and of a check."""
    actions = _custody_bare.prepare(), _custody_check.prepare()  # type: ignore[no-untyped-call]
    for _ in range(rounds):
        for action in actions:
            gc.collect()
            begin = time.ticks_us()  # type: ignore[attr-defined]
            action()
            print(time.ticks_diff(time.ticks_us(), begin), end=" ")  # type: ignore[attr-defined]
        print()
