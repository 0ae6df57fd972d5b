"""Runs services as tasks of the one event loop.

MicroPython cannot end a task by force. When a service is stopped, its tasks are cancelled and its
grants are withdrawn. If it still goes on, only a reset of the board ends it.
"""

from . import bus, clock, context, loop, tasks


class Runner:
    """Starts services and holds the bus that they share."""

    def __init__(self, node):
        """Connect services to `node`, a node.Node, and to a new bus."""
        self.bus = bus.Bus()
        context.serve(node, self.bus)
        self._node = node
        tasks.begin(node.services, None)

    def begin(self) -> None:
        """Start `main(ctx)` of each service that was checked and imported."""
        for one in self._node.services.values():
            if one.main:
                one.set("running")
                one.began = clock.ms()
                self._start(one)

    def _start(self, one) -> None:
        services = self._node.services
        # If `main` is not a coroutine function, the tasks that it starts belong to the service too.
        tasks.begin(services, one)
        try:
            coroutine = one.main(context.Context(one))
            del one.main
            # A wrapping coroutine for all services would cost each of them the memory of a frame.
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
