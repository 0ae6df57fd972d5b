"""The object `ctx` that a service gets from the node: `async def main(ctx)`.

Everything that no grant allows is denied.

A service can follow every attribute of an object that it holds. So `ctx` holds only a bound method,
because MicroPython does not let code look inside one: nothing leads from `ctx` to the node, its
settings or another service.
"""

import json

from sealcore import errors, grants

from . import service


class Context:
    """A service's access to the node.

    name    the service's name
    """

    def __init__(self, service):
        """Give access to a service.Service, whose grants may change or end. Call `serve` first."""
        self.name = service.name
        self._use = service.use

    def publish(self, topic: str, value) -> None:
        """Send a value (str, bytes, int, float, bool or None) to all subscribers of a topic."""
        self._use(grants.PUBLISH, topic, value)

    def subscribe(self, pattern: str):
        """Subscribe to a topic filter: `async for topic, value in
        ctx.subscribe("home/+/temperature")`.
        """
        return self._use(grants.SUBSCRIBE, pattern)

    def pin(self, number: int):
        """Return a `machine.Pin`. It goes to its safe state when the service ends."""
        return self._use(grants.PIN, number)

    def timer(self, period: int, callback):
        """Call `callback()` every `period` ms. Return the `machine.Timer`, which stops when the
        service ends.
        """
        return self._use(grants.TIMER, "", (period, callback))

    def config(self, key: str):
        """Return a value of the node's configuration; None if the key does not exist."""
        return self._use(grants.CONFIG, key)

    def log(self, text) -> None:
        """Write a line to the node's log."""
        self._use(grants.LOG, "", text)


def serve(node, bus) -> None:
    """Connect services to a node and its bus: this gives their class the method `use`."""

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
        if kind == grants.TIMER:
            from . import timers

            return timers.lend(node.services, one, *value)
        if kind == grants.LOG:
            return node.log(one, str(value))
        value = node.settings.get("config", {}).get(what)
        # Return a copy, so that no other service sees a change that this one makes.
        return json.loads(json.dumps(value)) if type(value) in (list, dict) else value

    service.Service.use = use  # type: ignore[attr-defined] # only here


def require(one, kind: str, what) -> None:
    """Raise NotGranted unless a grant of the service allows this, and count the denial."""
    # No subclass is accepted: it could have one value when it is checked and another when it is
    # used.
    if type(what) is not (int if kind == grants.PIN else str):
        raise TypeError("str, or int for a pin")
    if kind == grants.PIN and not 0 <= what < 256:  # type: ignore[operator] # an int by now
        raise errors.BadGrant("pin: 0 to 255")
    try:
        grants.require(one.grants, kind, str(what))
    except errors.NotGranted as error:
        one.deny(str(error))
        raise
