"""Runs services as tasks of the one event loop.

MicroPython can't take a task away from a service that won't end: when it is stopped its tasks are
cancelled and its grants are gone, and if it still goes on, only a reset of the board ends it.
"""

import asyncio

from . import bus, context, service


class Runner:
    """What running services share: the bus, and the record of who started which task."""

    def __init__(self, node):
        """`node` is the node.Node."""
        self.bus = bus.Bus()
        self._node = node
        self._create = asyncio.core.create_task
        # A task that a service starts is the service's, to be stopped with it.
        asyncio.core.create_task = asyncio.create_task = self._adopt

    def begin(self) -> None:
        """Run the `main(ctx)` of each service that was checked and imported."""
        for one in self._node.services.values():
            main, one.main = one.main, None
            if main:
                one.set("running")
                one.tasks.append(self._create(self._run(one, main)))

    async def _run(self, one, main) -> None:
        result = ("stopped",)
        try:
            await main(context.Context(one, self._node, self.bus))
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:
            result = service.failure(error)
        one.tasks.remove(asyncio.current_task())
        one.stop(*result)

    def _adopt(self, coroutine):
        parent = asyncio.core.cur_task
        for one in self._node.services.values():
            if parent in one.tasks:
                one.ended()
                task = self._create(_guard(coroutine))
                one.tasks.append(task)
                return task
        return self._create(coroutine)


async def _guard(coroutine):
    try:
        return await coroutine
    except SystemExit:  # it would end the event loop, and so the agent
        raise RuntimeError("a service can't exit the node")
