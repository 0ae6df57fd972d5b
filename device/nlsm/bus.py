"""A publish/subscribe bus between the services of one node.

Values are plain and immutable, so that no service can change what another one holds.
"""

import asyncio

from sealcore import errors, grants
from sealcore.compat import const

_QUEUE = const(8)
_LONGEST = const(1024)
_MOST = const(8)  # subscriptions of one service


class Subscription:
    """An asynchronous iterator over (topic, value); the oldest are dropped when it lags.

    dropped    how many were
    """

    def __init__(self, pattern: str, owner: str):
        self.pattern = pattern
        self.owner = owner
        self.dropped = 0
        self._queue = []
        self._wake = asyncio.Event()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self._queue:
            self._wake.clear()
            await self._wake.wait()
        return self._queue.pop(0)

    def put(self, item) -> None:
        """Called by the bus."""
        if len(self._queue) == _QUEUE:
            self._queue.pop(0)
            self.dropped += 1
        self._queue.append(item)
        self._wake.set()


class Bus:
    """Carries each value to the subscriptions whose filter covers its topic."""

    def __init__(self):
        self._subscriptions = []

    def publish(self, topic: str, value) -> None:
        """Raises BadGrant for what is no topic, TypeError and TooLarge for what is no value."""
        grants.check_topic(topic)
        # Not isinstance: a subclass would carry the publisher's code into the subscriber.
        if value is not None and type(value) not in (str, bytes, int, float, bool):
            raise TypeError("a value is str, bytes, int, float, bool or None")
        if type(value) in (str, bytes) and len(value) > _LONGEST:
            raise errors.TooLarge("value")
        for one in self._subscriptions:
            if grants.matches(one.pattern, topic):
                one.put((topic, value))

    def subscribe(self, pattern: str, owner: str) -> Subscription:
        """Raises BadGrant for what is no filter, TooLarge if the owner has too many."""
        grants.check(grants.SUBSCRIBE + ":" + pattern)
        if sum(one.owner == owner for one in self._subscriptions) >= _MOST:
            raise errors.TooLarge("subscriptions")
        one = Subscription(pattern, owner)
        self._subscriptions.append(one)
        return one

    def leave(self, owner: str) -> None:
        """End all of an owner's subscriptions."""
        self._subscriptions = [one for one in self._subscriptions if one.owner != owner]
