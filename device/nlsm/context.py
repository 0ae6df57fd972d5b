"""What a service gets from the node: `async def main(ctx)`. All that no grant gives is denied.

A service can follow every attribute of what it holds. So it holds a bound method, which MicroPython
lets nobody open: nothing leads from `ctx` to the node, its settings or another service.
"""

import json

from sealcore import errors, grants

from . import service


class Context:
    """A service's way to the node.

    name    the service's name
    """

    def __init__(self, service):
        """`service` is its service.Service, whose grants may change or end; `serve` goes before."""
        self.name = service.name
        self._use = service.use

    def publish(self, topic: str, value) -> None:
        """Send a value (str, bytes, int, float, bool or None) to all that subscribe to a topic."""
        self._use(grants.PUBLISH, topic, value)

    def subscribe(self, pattern: str):
        """`async for topic, value in ctx.subscribe("home/+/temperature")`."""
        return self._use(grants.SUBSCRIBE, pattern)

    def pin(self, number: int):
        """A `machine.Pin`; it goes to its safe state when the service ends."""
        return self._use(grants.PIN, number)

    def config(self, key: str):
        """A value of the node's configuration; None if it has no such key."""
        return self._use(grants.CONFIG, key)

    def log(self, text) -> None:
        """Write a line to the node's log."""
        self._use(grants.LOG, "", text)


def serve(node, bus) -> None:
    """Let services use a node and its bus: they get the method `use`."""

    def use(one, kind: str, what, value=None):
        require(one, kind, what)
        if kind == grants.PUBLISH:
            if one.says(service.VALUE) > 0:
                raise errors.TooFast("more values than it may say in 5 s")
            return bus.publish(what, value)
        if kind == grants.SUBSCRIBE:
            return bus.subscribe(what, one)
        if kind == grants.PIN:
            from . import board

            return board.lend(one, what)
        if kind == grants.LOG:
            return node.log(one, str(value))
        value = node.settings.get("config", {}).get(what)
        # A copy: what one service changes in it, no other one sees.
        return json.loads(json.dumps(value)) if type(value) in (list, dict) else value

    service.Service.use = use  # type: ignore[attr-defined] # only here


def require(one, kind: str, what) -> None:
    """Raises NotGranted, which is told, unless a grant of the service gives it this."""
    # A subclass could be one thing when it is looked at and another when it is used.
    if type(what) is not (int if kind == grants.PIN else str):
        raise TypeError("str, or int for a pin")
    if kind == grants.PIN and not 0 <= what < 256:  # type: ignore[operator] # an int by now
        raise errors.BadGrant("pin: 0 to 255")
    try:
        grants.require(one.grants, kind, str(what))
    except errors.NotGranted as error:
        one.deny(str(error))
        raise
