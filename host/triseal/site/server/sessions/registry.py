"""The nodes that are connected now, with one connection for each, and their allowances."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator

from triseal.errors import Failure
from triseal.site.server.limits import Allowance, Limits
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.connection import Connection
from triseal.site.server.sessions.twins import Twins

_log = logging.getLogger(__name__)


class Full(Failure):
    """The server has as many connected nodes as its limit allows."""

    code = "server-full"
    advice = "Raise --connections, or start another server process on this site."


class Registry:
    """The connections of one server process, by node.

    Args:
        limits: the limits of the server.
        metrics: takes the number of connected nodes.

    Attributes:
        turned_away: number of connections that were refused since a node was last registered.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._connections: dict[str, Connection] = {}
        self._arriving: dict[str, Connection] = {}
        self._allowances: dict[str, tuple[Allowance, Allowance]] = {}
        self._heard: set[str] = set()
        self._twins = Twins()
        self._claimed: set[str] = set()
        self.turned_away = 0

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._connections.values()))

    def __len__(self) -> int:
        return len(self._connections)

    def get(self, node: str) -> Connection | None:
        """Return the connection of a node, or None if it is not connected.

        Args:
            node: name of the node.
        """
        return self._connections.get(node)

    def arrive(self, connection: Connection) -> None:
        """Note the connection of a node that has proved who it is and has not yet said HELLO.

        A node has one of them: an older one ends, and nothing more is done for it.

        Args:
            connection: the new connection.

        Raises:
            Full: the server has no room for another node.
        """
        node = connection.node
        there = self._connections.keys() | self._arriving.keys()
        if node not in there and len(there) >= self._limits.connections:
            raise Full(f"{len(there)} nodes are connected")
        older = self._arriving.get(node)
        self._arriving[node] = connection
        if older is not None:
            older.end("replaced")

    def add(self, connection: Connection) -> None:
        """Register the connection of a node that has said HELLO. An older connection of it ends.

        Args:
            connection: the new connection, which `arrive` has noted.
        """
        node = connection.node
        older = self._connections.get(node)
        if self._arriving.get(node) is connection:
            del self._arriving[node]
        self._connections[node] = connection
        self.turned_away = 0
        self._metrics.connected.set(len(self._connections))
        if older is not None:
            older.end("replaced")
            if self._twins.replaced(node, older.origin, connection.origin, time.monotonic()):
                self._claimed.add(node)
                _log.warning("claimed by two boards", extra=_twins(node, older, connection))

    def remove(self, connection: Connection) -> None:
        """Remove a connection that has ended. Does nothing for one that another has replaced.

        Args:
            connection: the connection that has ended.
        """
        if self._arriving.get(connection.node) is connection:
            del self._arriving[connection.node]
        if self._connections.get(connection.node) is connection:
            del self._connections[connection.node]
            self._metrics.connected.set(len(self._connections))

    def allowance(self, node: str) -> tuple[Allowance, Allowance]:
        """Return the allowances of a node, which all of its connections share.

        Args:
            node: name of the node.

        Returns: the allowance for work, and the allowance for what the ledger keeps.
        """
        allowances = self._allowances.get(node)
        if allowances is None:
            limits, now = self._limits, time.monotonic()
            work = Allowance(limits.burst, limits.rate, now)
            kept = Allowance(limits.kept_burst, limits.kept_rate, now)
            allowances = self._allowances[node] = work, kept
        return allowances

    def heard(self, node: str) -> None:
        """Note that a node has sent something.

        Args:
            node: name of the node.
        """
        self._heard.add(node)

    def take_heard(self) -> set[str]:
        """Return the nodes that have sent something since the last call."""
        heard, self._heard = self._heard, set()
        return heard

    def keep(self, heard: Iterable[str], claimed: Iterable[str]) -> None:
        """Take back the nodes that `take_heard` and `take_claimed` returned: nothing was recorded.

        Args:
            heard: names of the nodes that `take_heard` returned.
            claimed: names of the nodes that `take_claimed` returned.
        """
        self._heard |= set(heard)
        self._claimed |= set(claimed)

    def take_claimed(self) -> set[str]:
        """Return the nodes whose identity two boards have used since the last call."""
        claimed, self._claimed = self._claimed, set()
        return claimed


def _twins(node: str, older: Connection, newer: Connection) -> dict[str, str]:
    return {
        "node": node,
        "code": "two-boards",
        "address": f"{older.origin}, {newer.origin}",
        "detail": "two boards take the connection from each other, or one board loses it often; "
        "find the copy, and give the right board a new key: triseal node provision --replace",
    }
