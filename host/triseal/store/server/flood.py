"""Bounds on what one process takes: requests of each key, and bodies at once.

What is refused costs time and disk too, and is nowhere in the database.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from prometheus_client import Gauge

from triseal.errors import Failure
from triseal.serving.door import crowding, origin

MOST_BODIES = 64  # at once: of 16 MiB each, 1 GiB of the disk
MOST_ANONYMOUS = 16  # at once, of anybody: beside those that are signed
MOST_OF_KEY = 4  # at once, of one key
MOST_HOURLY = 600  # requests of one key
_HOUR = 3600


class TooBusy(Failure):
    """The Store takes no more requests now: too many are being received, or come with one key."""

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
        self._anonymous: dict[asyncio.Timeout, str] = {}  # their addresses, the oldest body first
        self._hour = 0
        self._asked: Counter[str] = Counter()

    @contextmanager
    def body(self, key: str) -> Iterator[None]:
        """Count a body while it is received.

        Args:
            key: fingerprint of the approved key that signed the request.

        Raises:
            TooBusy: there is no room.
        """
        if self._open.total() >= MOST_BODIES or self._open[key] >= MOST_OF_KEY:
            raise TooBusy(f"{self._open.total()} bodies are being received")
        self._open[key] += 1
        self._show()
        try:
            yield
        finally:
            self._open[key] -= 1
            self._open += Counter()  # without those that have none
            self._show()

    @asynccontextmanager
    async def anonymous(self, address: str) -> AsyncIterator[None]:
        """Count a body of anybody while it is received.

        Where all places are taken, it takes that of the oldest body of the address that has most of
        them. So whoever sends a small body at once gets in, whatever the others do.

        Args:
            address: where it comes from.

        Raises:
            TooBusy: another one has taken its place.
        """
        if len(self._anonymous) >= MOST_ANONYMOUS:
            one = crowding(self._anonymous)
            one.reschedule(asyncio.get_running_loop().time())
            del self._anonymous[one]
        try:
            async with asyncio.timeout(None) as place:
                self._anonymous[place] = origin(address)
                self._show()
                try:
                    yield
                finally:
                    self._anonymous.pop(place, None)
                    self._show()
        except TimeoutError:
            raise TooBusy("others have begun to send something meanwhile") from None

    def _show(self) -> None:
        self._gauge.set(self._open.total() + len(self._anonymous))

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
