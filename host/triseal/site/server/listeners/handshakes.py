"""Connections that have not yet proved to be a node's: few at once, the oldest give way."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

_HOST_BITS = 64  # of an IPv6 address: whoever has one of them has all


def origin(address: str) -> str:
    """Who is at an address, as far as that tells: an IPv4 address, or an IPv6 network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(found.ipv4_mapped or int(found) >> _HOST_BITS)


class Handshakes:
    """Strangers at the door.

    A flood of half-open connections must not keep nodes out: where there is no place left, the
    oldest connection goes, of the origin that has the most.

    Args:
        most: at once.
        on_change: called with how many there are.
    """

    def __init__(self, most: int, on_change: Callable[[int], None]) -> None:
        self._most = most
        self._on_change = on_change
        self._origins: dict[asyncio.Task[None], str] = {}

    def begin(self, address: str, serving: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run what serves a new connection, as a task that holds a place until `leave`."""
        if len(self._origins) >= self._most:
            self._evict()
        task = asyncio.create_task(serving)
        self._origins[task] = origin(address)
        task.add_done_callback(self.leave)
        self._on_change(len(self._origins))
        return task

    def leave(self, task: asyncio.Task[Any] | None) -> None:
        """It is a node's, or it has ended."""
        if task is not None and self._origins.pop(task, None) is not None:
            self._on_change(len(self._origins))

    def _evict(self) -> None:
        ((crowded, _),) = Counter(self._origins.values()).most_common(1)
        oldest = next(task for task, where in self._origins.items() if where == crowded)
        oldest.cancel()
        self.leave(oldest)
