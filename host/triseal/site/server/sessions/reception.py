"""The common entrance of all nodes that have proved who they are, over TLS or a serial line."""

from __future__ import annotations

from collections.abc import Callable

from triseal.site.server.limits import Limits
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.connection import Carrier, Connection
from triseal.site.server.sessions.peers import Peer
from triseal.site.server.sessions.registry import Registry
from triseal.site.server.signing.pipeline import Pipeline


class Reception:
    """The objects that all connections of a server process share.

    Args:
        pipeline: answers the nodes' messages.
        limits: the limits of the server.
        metrics: the metrics of the server.

    Attributes:
        pipeline, limits, metrics: the arguments.
        registry: the connected nodes.
    """

    def __init__(self, pipeline: Pipeline, limits: Limits, metrics: Metrics) -> None:
        self.pipeline = pipeline
        self.limits = limits
        self.metrics = metrics
        self.registry = Registry(limits, metrics)

    async def serve(self, carrier: Carrier, peer: Peer, greeted: Callable[[], None]) -> str:
        """Serve a node until its connection ends.

        Args:
            carrier: the transport.
            peer: the node.
            greeted: called after the node has said HELLO and was registered.

        Returns: the stable code of the reason for the end.
        """
        allowances = self.registry.allowance(peer.node)
        connection = Connection(carrier, peer, self.pipeline, self.limits, self.metrics, allowances)

        def register() -> None:
            self.registry.add(connection)
            greeted()

        try:
            self.registry.arrive(connection)
            return await connection.serve(register, lambda: self.registry.heard(peer.node))
        finally:
            self.registry.remove(connection)
