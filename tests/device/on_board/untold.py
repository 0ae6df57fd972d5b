"""A task of the agent and one of a service end in ways that the loop cannot tell; it goes on."""

import asyncio

from fakes import Node

from nlsm import failures, loop, service, tasks


def short(_):
    raise MemoryError("short")


async def bad():
    raise OSError


class Pause:
    """Something to wait for, without a task."""

    def __iter__(self):
        return self

    def __next__(self):
        return None


async def clings():
    try:
        await Pause()
    finally:
        raise ValueError


async def main():
    tasks.create(bad())
    for _ in range(9):
        await asyncio.sleep(0)
    print("goes on")
    coroutine = clings()
    coroutine.send(None)
    asyncio.core._task_queue.push(asyncio.core.Task(coroutine))
    for _ in range(9):
        await asyncio.sleep(0)
    print("goes on")


failures.state = short
Node.services["a"] = service.Service("a")
loop.run(main(), lambda: None)
