"""Connections that have not yet proved to be a node's: few at once, the oldest give way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any


class Handshakes:
    """Strangers at the door.

    A flood of half-open connections must not keep nodes out: where there is no place left, the
    oldest connection goes, of the address that has the most.

    Args:
        most: at once.
        on_change: called with how many there are.
    """

    def __init__(self, most: int, on_change: Callable[[int], None]) -> None:
        self._most = most
        self._on_change = on_change
        self._addresses: dict[asyncio.Task[None], str] = {}

    def begin(self, address: str, serving: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run what serves a new connection, as a task that holds a place until `leave`."""
        if len(self._addresses) >= self._most:
            self._evict()
        task = asyncio.create_task(serving)
        self._addresses[task] = address
        task.add_done_callback(self.leave)
        self._on_change(len(self._addresses))
        return task

    def leave(self, task: asyncio.Task[Any] | None) -> None:
        """It is a node's, or it has ended."""
        if task is not None and self._addresses.pop(task, None) is not None:
            self._on_change(len(self._addresses))

    def _evict(self) -> None:
        ((crowded, _),) = Counter(self._addresses.values()).most_common(1)
        oldest = next(task for task, address in self._addresses.items() if address == crowded)
        oldest.cancel()
        self.leave(oldest)
