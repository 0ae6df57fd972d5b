"""The nodes that are connected now, one connection each, and what each may still ask for."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from triseal.errors import Failure
from triseal.site.server.limits import Allowance, Limits
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.connection import Connection
from triseal.site.server.sessions.twins import Twins

_log = logging.getLogger(__name__)


class Full(Failure):
    """The server has as many nodes as it may have."""

    code = "server-full"
    advice = "Raise --connections, or start another server process on this site."


class Registry:
    """Connections by node.

    Args:
        limits: how many.
        metrics: told how many there are.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._connections: dict[str, Connection] = {}
        self._allowances: dict[str, tuple[Allowance, Allowance]] = {}
        self._heard: set[str] = set()
        self._twins = Twins()
        self._claimed: set[str] = set()

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._connections.values()))

    def __len__(self) -> int:
        return len(self._connections)

    def get(self, node: str) -> Connection | None:
        """The connection of a node."""
        return self._connections.get(node)

    def add(self, connection: Connection) -> None:
        """A node has said HELLO: its older connection, if there is one, ends. Raises: Full."""
        node = connection.node
        older = self._connections.get(node)
        if older is None and len(self._connections) >= self._limits.connections:
            raise Full(f"{len(self._connections)} nodes")
        self._connections[node] = connection
        self._metrics.connected.set(len(self._connections))
        if older is not None:
            older.end("replaced")
            if self._twins.replaced(node, older.origin, connection.origin, time.monotonic()):
                self._claimed.add(node)
                _log.warning("claimed by two boards", extra=_twins(node, older, connection))

    def remove(self, connection: Connection) -> None:
        """A connection has ended, one that was added or not."""
        if self._connections.get(connection.node) is connection:
            del self._connections[connection.node]
            self._metrics.connected.set(len(self._connections))

    def allowance(self, node: str) -> tuple[Allowance, Allowance]:
        """What a node may still ask for, over all of its connections: work, and what is kept."""
        found = self._allowances.get(node)
        if found is None:
            limits, now = self._limits, time.monotonic()
            work = Allowance(limits.burst, limits.rate, now)
            kept = Allowance(limits.kept_burst, limits.kept_rate, now)
            found = self._allowances[node] = work, kept
        return found

    def heard(self, node: str) -> None:
        """A node has sent something."""
        self._heard.add(node)

    def take_heard(self) -> set[str]:
        """Nodes that were heard since the last call."""
        heard, self._heard = self._heard, set()
        return heard

    def take_claimed(self) -> set[str]:
        """Nodes that two boards claimed to be since the last call."""
        claimed, self._claimed = self._claimed, set()
        return claimed


def _twins(node: str, older: Connection, newer: Connection) -> dict[str, str]:
    return {
        "node": node,
        "code": "two-boards",
        "address": f"{older.origin}, {newer.origin}",
        "detail": "two boards take the connection from each other, or one loses it again and "
        "again; find the copy, and give the right board a new key: triseal node provision "
        "--replace",
    }
