"""A publish/subscribe bus between the services of one node.

Values are plain, small and immutable, so that no service can change what another one holds.
"""

import asyncio

from sealcore import errors, grants
from sealcore.compat import const

_QUEUE = const(8)
_LONGEST = const(1024)  # bytes of a value
_LONGEST_TOPIC = const(128)  # bytes, as in a grant
_WIDEST = const(0x7FFFFFFFFFFFFFFF)
_MOST = const(8)  # subscriptions of one service


class _Feed:
    """The bus's own record of a subscription; no service can reach it."""

    def __init__(self, pattern: str, service, feeds: list):
        self.pattern = pattern
        self.service = service
        self._dropped = 0
        self._feeds = feeds
        self.queue: list = []
        self._wake = asyncio.Event()

    def put(self, item) -> None:
        if len(self.queue) == _QUEUE:
            self.queue.pop(0)
            self._dropped += 1
        self.queue.append(item)
        self._wake.set()

    async def take(self):
        # In this order, because an interrupt may put a value at any moment.
        self._wake.clear()
        while not self.queue:
            await self._wake.wait()
            self._wake.clear()
        return self.queue.pop(0), self._dropped

    def back(self) -> None:
        self._feeds.remove(self)


class Subscription:
    """An asynchronous iterator over (topic, value). If it lags, the oldest values are dropped.

    dropped    how many values were dropped before the last one was taken
    """

    def __init__(self, take):
        self.dropped = 0
        self._take = take  # a bound method, because no service can look inside one

    def __aiter__(self):
        return self

    async def __anext__(self):
        item, self.dropped = await self._take()
        return item


class Bus:
    """Carries each value to the subscriptions whose filter covers its topic."""

    def __init__(self):
        self._feeds = []

    def publish(self, topic: str, value) -> None:
        """Send a value to all matching subscriptions.

        Raises BadGrant if the topic is not valid, TypeError or TooLarge if the value is not.
        """
        _bound(topic, _LONGEST_TOPIC)
        grants.check_topic(topic)
        # No isinstance here: an object of a subclass would carry the publisher's code into the
        # subscriber.
        kind = type(value)
        if kind in (str, bytes):
            _bound(value, _LONGEST)
        elif kind is int and not -_WIDEST <= value <= _WIDEST:
            raise errors.TooLarge("int")
        elif value is not None and kind not in (int, float, bool):
            raise TypeError("a value is str, bytes, int, float, bool or None")
        for one in self._feeds:
            if one.service.grants and grants.matches(one.pattern, topic):
                one.put((topic, value))

    def subscribe(self, pattern: str, service) -> Subscription:
        """Return a subscription of a service.Service.

        It receives nothing after the service was stopped.

        Raises BadGrant if the pattern is not a valid filter, TooLarge if the service has too many
        subscriptions.
        """
        grants.check(grants.SUBSCRIBE + ":" + pattern)
        if sum([one.service is service for one in self._feeds]) >= _MOST:
            raise errors.TooLarge("subscriptions")
        one = _Feed(pattern, service, self._feeds)
        self._feeds.append(one)
        service.lend(one)
        return Subscription(one.take)


def _bound(value, most: int) -> None:
    if len(value) > most or (type(value) is str and len(value.encode()) > most):
        raise errors.TooLarge("more than %d" % most)
