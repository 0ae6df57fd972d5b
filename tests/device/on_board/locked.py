"""A service `one` goes on after a MemoryError, also after one in place of its cancellation.

A test locks the heap, ends the service and calls `ended()`. While the heap is locked, each
allocation fails with MemoryError: ending a service may need none.
"""

import asyncio

import micropython

from nlsm import loop, service, tasks


class Stubborn(Exception):
    """A failure of the service."""


async def main():
    while True:
        try:
            await asyncio.sleep(60)
        except MemoryError:
            pass


def ended():
    """Let the task end, unlock the heap and print what the service is then."""
    assert queue.pop() is task
    asyncio.core.cur_task = task
    loop._step(queue, task, one, coroutine, None)
    micropython.heap_unlock()
    assert task.done()
    assert not one.tasks
    assert not tasks.owners
    print(one.state, one.code)


one = service.Service("one")
one.tasks = []
tasks.begin({"one": one}, None)
coroutine = main()
task = one.root = tasks.create(coroutine, one)
one.set("running")
queue = asyncio.core._task_queue
error = Stubborn()
assert queue.pop() is task
asyncio.core.cur_task = task
loop._step(queue, task, one, coroutine, None)
assert queue.peek() is task
assert not task.done()
asyncio.core.cur_task = None
