"""Runs services as tasks of the one event loop.

MicroPython can't take a task away from a service that won't end: when it is stopped its tasks are
cancelled and its grants are gone, and if it still goes on, only a reset of the board ends it.
"""

from . import bus, clock, context, loop, tasks


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
            if one.main:
                one.set("running")
                one.began = clock.ms()
                self._start(one)

    def _start(self, one) -> None:
        services = self._node.services
        tasks.begin(services, one)  # what a `main` that is no coroutine does is the service's too
        try:
            coroutine = one.main(context.Context(one))
            one.main = None
            # Another coroutine around it would cost each service its frame.
            if type(coroutine) is not _COROUTINE:
                coroutine = _wait(coroutine)
            one.root = tasks.create(coroutine, one)
        except BaseException as error:
            loop.mind(error)
            one.fail(error)
        finally:
            tasks.begin(services, None)


async def _wait(awaitable) -> None:
    await awaitable


_COROUTINE = type(_wait(None))
