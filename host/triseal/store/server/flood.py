"""Bounds on what one process takes: requests of each key, and bodies at once.

What is refused costs time and disk too, and is nowhere in the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge

from triseal.errors import Failure

MOST_BODIES = 64  # at once: of 16 MiB each, 1 GiB of the disk
MOST_OF_KEY = 4  # at once, of one key
MOST_HOURLY = 600  # requests of one key
_HOUR = 3600


class TooBusy(Failure):
    """The Store takes no more requests now: too many wait, for a person or for the server."""

    code = "too-busy"
    advice = "Try again later, or ask the Store's operator."


class Flood:
    """The requests of one process.

    Args:
        bodies: shows how many bodies are being received.
    """

    def __init__(self, bodies: Gauge) -> None:
        self._gauge = bodies
        self._open: Counter[str] = Counter()
        self._hour = 0
        self._asked: Counter[str] = Counter()

    @contextmanager
    def body(self, key: str) -> Iterator[None]:
        """Count a body while it is received.

        Args:
            key: fingerprint of the key that signed the request; "" for a request of anybody.

        Raises:
            TooBusy: there is no room.
        """
        if self._open.total() >= MOST_BODIES or (key and self._open[key] >= MOST_OF_KEY):
            raise TooBusy(f"{self._open.total()} bodies are being received")
        self._open[key] += 1
        self._gauge.set(self._open.total())
        try:
            yield
        finally:
            self._open[key] -= 1
            self._open += Counter()  # without those that have none
            self._gauge.set(self._open.total())

    def asked(self, key: str, now: int) -> None:
        """Count a request of a registered key.

        Args:
            key: its fingerprint.
            now: the time, Unix seconds.

        Raises:
            TooBusy: the key has asked too often in this hour.
        """
        if now // _HOUR != self._hour:
            self._hour = now // _HOUR
            self._asked.clear()
        if self._asked[key] >= MOST_HOURLY:
            raise TooBusy(f"{self._asked[key]} requests with this key in this hour")
        self._asked[key] += 1
