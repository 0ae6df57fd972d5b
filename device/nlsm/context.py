"""What a service gets from the node: `async def main(ctx)`. All that no grant gives is denied."""

import json

from sealcore import errors, grants


class Context:
    """A service's way to the node.

    name    the service's name
    """

    def __init__(self, service, node, bus):
        """
        Args:
            service: its service.Service, whose grants may change or end.
            node: the node.Node.
            bus: the bus of the node.
        """
        self.name = service.name
        self._service = service
        self._node = node
        self._bus = bus

    def _require(self, kind: str, what) -> None:
        # A subclass could be one thing when it is looked at and another when it is used.
        if type(what) not in (str, int):
            raise TypeError("str, or int for a pin")
        try:
            grants.require(self._service.grants, kind, str(what))
        except errors.NotGranted as error:
            self._service.deny(str(error))
            raise

    def publish(self, topic: str, value) -> None:
        """Send a value (str, bytes, int, float, bool or None) to all that subscribe to a topic."""
        self._require(grants.PUBLISH, topic)
        self._bus.publish(topic, value)

    def subscribe(self, pattern: str):
        """`async for topic, value in ctx.subscribe("home/+/temperature")`."""
        self._require(grants.SUBSCRIBE, pattern)
        return self._bus.subscribe(pattern, self._service.name)

    def pin(self, number: int):
        """A `machine.Pin`."""
        self._require(grants.PIN, number)
        from . import board

        return board.pin(number)

    def config(self, key: str):
        """A value of the node's configuration; None if it has no such key."""
        self._require(grants.CONFIG, key)
        value = self._node.settings.get("config", {}).get(key)
        # A copy: what one service changes in it, no other one sees.
        return json.loads(json.dumps(value)) if type(value) in (list, dict) else value

    def log(self, text) -> None:
        """Write a line to the node's log."""
        self._require(grants.LOG, "")
        self._node.log(self._service.name, str(text))
