"""What a service gets from the node: `async def main(ctx)`. All that no grant gives is denied.

A service can follow every attribute of what it holds. So what it holds has a function that knows
the node, and no object that does: nothing leads from `ctx` to the settings, or to another service.
"""

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
        known = service, node, bus
        self.name = service.name
        self._do = lambda kind, what, value=None: _do(known, kind, what, value)

    def publish(self, topic: str, value) -> None:
        """Send a value (str, bytes, int, float, bool or None) to all that subscribe to a topic."""
        self._do(grants.PUBLISH, topic, value)

    def subscribe(self, pattern: str):
        """`async for topic, value in ctx.subscribe("home/+/temperature")`."""
        return self._do(grants.SUBSCRIBE, pattern)

    def pin(self, number: int):
        """A `machine.Pin`; it goes to its safe state when the service ends."""
        return self._do(grants.PIN, number)

    def config(self, key: str):
        """A value of the node's configuration; None if it has no such key."""
        return self._do(grants.CONFIG, key)

    def log(self, text) -> None:
        """Write a line to the node's log."""
        self._do(grants.LOG, "", text)


def _do(known, kind: str, what, value):
    service, node, bus = known
    _require(service, kind, what)
    if kind == grants.PUBLISH:
        service.publishes()
        return bus.publish(what, value)
    if kind == grants.SUBSCRIBE:
        return bus.subscribe(what, service)
    if kind == grants.PIN:
        return _pin(service, what)
    if kind == grants.CONFIG:
        return _copy(node.settings.get("config", {}).get(what))
    return node.log(service, str(value))


def _require(service, kind: str, what) -> None:
    # A subclass could be one thing when it is looked at and another when it is used.
    if type(what) is not (int if kind == grants.PIN else str):
        raise TypeError("str, or int for a pin")
    if kind == grants.PIN and not 0 <= what < 256:
        raise errors.BadGrant("pin: 0 to 255")
    try:
        grants.require(service.grants, kind, str(what))
    except errors.NotGranted as error:
        service.deny(str(error))
        raise


def _copy(value):
    """What one service changes in it, no other one sees."""
    return json.loads(json.dumps(value)) if type(value) in (list, dict) else value


class _Pin:
    """A pin that was handed out."""

    def __init__(self, number: int, safe):
        self.number = number
        self._safe = safe

    def back(self) -> None:
        from . import board

        board.release(self.number, self._safe)


def _pin(service, number: int):
    from . import board, keystore

    one = board.pin(number)
    if not any(getattr(known, "number", None) == number for known in service.lent):
        path = keystore.SERVICES + "/" + service.name + "/metadata.json"
        pins = json.loads(keystore.read(path)).get("pins")
        service.lend(_Pin(number, pins.get(str(number)) if type(pins) is dict else None))
    return one
