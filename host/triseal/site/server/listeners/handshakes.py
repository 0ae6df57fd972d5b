"""Limits the connections that have not yet proved to be a node's: it closes the oldest."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

_HOST_BITS = 64  # of an IPv6 address: the holder of one address has its whole /64 network


def origin(address: str) -> str:
    """Return the part of a network address that identifies a client.

    Args:
        address: an IPv4 or IPv6 address as text.

    Returns: the IPv4 address, or the /64 network of an IPv6 address.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(parsed.ipv4_mapped or int(parsed) >> _HOST_BITS)


class Handshakes:
    """The set of connections that have not yet proved to be a node's.

    A flood of half-open connections must not keep nodes out. If the set is full, the oldest
    connection of the origin with the most connections is closed.

    Args:
        most: size of the set.
        on_change: called with the number of connections in the set.
    """

    def __init__(self, most: int, on_change: Callable[[int], None]) -> None:
        self._most = most
        self._on_change = on_change
        self._origins: dict[asyncio.Task[None], str] = {}

    def begin(self, address: str, serving: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Serve a new connection in a task, which stays in the set until `leave`.

        Args:
            address: network address of the client.
            serving: the coroutine that serves it.

        Returns: the task.
        """
        if len(self._origins) >= self._most:
            self._evict()
        task = asyncio.create_task(serving)
        self._origins[task] = origin(address)
        task.add_done_callback(self.leave)
        self._on_change(len(self._origins))
        return task

    def leave(self, task: asyncio.Task[Any] | None) -> None:
        """Remove a connection from the set: it has proved to be a node's, or it has ended.

        Args:
            task: the task that serves it; None is ignored.
        """
        if task is not None and self._origins.pop(task, None) is not None:
            self._on_change(len(self._origins))

    def _evict(self) -> None:
        ((crowded, _),) = Counter(self._origins.values()).most_common(1)
        oldest = next(task for task, where in self._origins.items() if where == crowded)
        oldest.cancel()
        self.leave(oldest)
