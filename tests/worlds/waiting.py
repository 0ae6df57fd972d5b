"""Waiting for what nobody announces."""

from __future__ import annotations

import time
from collections.abc import Iterator

_FIRST, _LAST = 0.005, 0.1


def looks(seconds: float) -> Iterator[None]:
    """Return the moments to look whether it has happened: a few at once, then ten a second.

    Each look takes computing time, also from those for whom is waited.

    Args:
        seconds: after which it counts as never.
    """
    end = time.monotonic() + seconds
    pause = _FIRST
    while time.monotonic() < end:
        yield
        time.sleep(pause)
        pause = min(1.3 * pause, _LAST)
    yield
