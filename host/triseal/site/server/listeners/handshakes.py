"""Limits the connections that have not yet proved to be a node's: it closes the oldest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from triseal.serving.door import crowding, origin


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
        oldest = crowding(self._origins)
        oldest.cancel()
        self.leave(oldest)
