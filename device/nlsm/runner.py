"""Runs services as tasks of the one event loop.

MicroPython can't take a task away from a service that won't end: when it is stopped its tasks are
cancelled and its grants are gone, and if it still goes on, only a reset of the board ends it.
"""

from . import bus, clock, context, tasks


class Runner:
    """What running services share: the bus."""

    def __init__(self, node):
        """`node` is the node.Node."""
        self.bus = bus.Bus()
        context.serve(node, self.bus)
        self._node = node
        tasks.begin(node.services, None)

    def begin(self) -> None:
        """Run the `main(ctx)` of each service that was checked and imported."""
        for one in self._node.services.values():
            main, one.main = one.main, None
            if main:
                one.set("running")
                one.began = clock.ms()
                one.root = tasks.create(self._run(one, main), one)

    async def _run(self, one, main) -> None:
        await main(context.Context(one))
