"""Where nodes come, over TLS or a line, once they have shown who they are."""

from __future__ import annotations

from collections.abc import Callable

from triseal.site.server.limits import Limits
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.connection import Carrier, Connection
from triseal.site.server.sessions.peers import Peer
from triseal.site.server.sessions.registry import Registry
from triseal.site.server.signing.pipeline import Desk


class Reception:
    """What all connections of a server process share.

    Args:
        desk: answers.
        limits: what a connection may cost.
        metrics: counts.

    Attributes:
        desk, limits, metrics: those.
        registry: who is connected.
    """

    def __init__(self, desk: Desk, limits: Limits, metrics: Metrics) -> None:
        self.desk = desk
        self.limits = limits
        self.metrics = metrics
        self.registry = Registry(limits, metrics)

    async def serve(self, carrier: Carrier, peer: Peer, greeted: Callable[[], None]) -> str:
        """Converse with a node until the end; returns the code that tells why it ended.

        Args:
            carrier: carries what is said.
            peer: who it is.
            greeted: called once it has said HELLO and is registered.
        """
        allowances = self.registry.allowance(peer.node)
        connection = Connection(carrier, peer, self.desk, self.limits, self.metrics, allowances)

        def register() -> None:
            self.registry.add(connection)
            greeted()

        try:
            return await connection.serve(register, lambda: self.registry.heard(peer.node))
        finally:
            self.registry.remove(connection)
