"""The event loop: like asyncio's, but an error in a service ends only that service.

asyncio's own loop ends on each BaseException that is not an Exception, and on any exception in a
callback. Here, an exception that nobody catches in any task of a service fails that service.
"""

import gc

from sealcore.compat import const

from . import memory, service, tasks

try:
    from micropython import kbd_intr
except ImportError:

    def kbd_intr(_: int) -> None:
        """Do nothing: on this port, nobody can change which key interrupts."""


core = tasks.core
# The counter by which asyncio orders its tasks.
ticks = core.ticks
ticks_diff = core.ticks_diff
_MOST_MS = const(1000)
# The agent runs more often than this, unless some task has kept the loop busy.
_LOOK_MS = const(400)
_CTRL_C = const(3)
# For a task that is cancelled while there is no memory for an exception. Without it the task would
# get a MemoryError instead, and could go on.
_CANCELLED = core.CancelledError()
# Made here, because to make it takes memory.
_ENDINGS = (StopIteration, core.CancelledError)
# The owner and the coroutine of a task that `tasks.create` has not made.
_UNKNOWN = (core, None)
# Calls within calls: more stack than `run` and what it calls take for themselves.
_DEPTH = const(8)


def clear_stack(depth: int = _DEPTH) -> int:
    """Overwrite the part of the C stack that the loop is about to use.

    The collector takes each word on the stack for a pointer. A frame of the interpreter leaves some
    of its words as they were, and the frame of `run` lives as long as the node: an old pointer in
    it would keep whatever is allocated at that address later, and all that this points to.
    """
    return depth and clear_stack(depth - 1)


def run(coroutine, look) -> None:
    """Run the agent's own coroutine, and all tasks that it starts, until it ends.

    Args:
        coroutine: the agent's coroutine.
        look: a function that stops services whose time is over. The loop calls it before a task of
            a service runs, if the agent's own turn is late.
    """
    main = tasks.create(coroutine)
    queue, streams = core._task_queue, core._io_queue
    asleep = core.sleep_ms(0)
    asleep.state = None
    looked = ticks()
    while not main.done():
        task = _next(queue, streams)
        owner, coroutine = tasks.owners.get(id(task), _UNKNOWN)
        if task is main:
            looked = ticks()
            if not memory.spare:
                # Collect from here, where the collector sees no part of the stack that is as deep
                # as the frames of services: old pointers to their objects may lie there.
                gc.collect()
        elif owner and not 0 <= ticks_diff(ticks(), looked) < _LOOK_MS:
            looked = ticks()
            try:
                look()
            except BaseException as error:  # the agent's next turn repeats it
                mind(error)
        core.cur_task = task  # not before `look`, which may have to cancel this task
        if owner is core or task.done():
            try:
                _drop(task, owner)
            except BaseException as error:  # there may be no memory to tell it
                mind(error)
        else:
            _step(queue, task, owner, coroutine, main)
        task = coroutine = core.cur_task = None
        if owner:
            # Undo any change that the service made to the loop. Also clear a sleep that it created
            # without awaiting it: the next task that sleeps would get that one.
            core._task_queue = queue
            core._io_queue = streams
            asleep.state = None
            kbd_intr(_CTRL_C)
            owner = None


def _next(queue, streams):
    """Wait for the next task whose time has come, and return it."""
    while True:
        task = queue.peek()
        wait = ticks_diff(task.ph_key, ticks()) if task else _MOST_MS
        try:
            streams.wait_io_event(max(0, min(wait, _MOST_MS)))
        except BaseException as error:
            mind(error)
            from . import failures

            failures.drop_streams(streams)
            del failures
        task = queue.peek()
        if task and ticks_diff(task.ph_key, ticks()) <= 0:
            return queue.pop()


def _step(queue, task, owner, coroutine, main) -> None:
    try:
        error = task.data
        if error:
            task.data = None
            if error is core.CancelledError:
                error = _cancelled()
            coroutine.throw(error)
        else:
            coroutine.send(None)
    except BaseException as raised:
        mind(raised)
        if task is main and not isinstance(raised, StopIteration):
            raise
        try:
            _end(queue, task, owner, raised)
        except BaseException as other:  # the service has changed its own task object
            mind(other)
            _fail(task, owner, other)


def _cancelled():
    try:
        return core.CancelledError()
    except MemoryError:
        return _CANCELLED


def mind(error) -> None:
    """Re-raise a person's Ctrl-C, and free the reserve if memory was too short."""
    if service.by_person(error):
        raise error
    if isinstance(error, MemoryError):
        memory.relieve()


def _end(queue, task, owner, error) -> None:
    """End a task: wake the tasks that wait for it, and stop its service if it was the root task."""
    taken = isinstance(error, _ENDINGS)
    state = task.state
    task.state = None if state is True else False
    if callable(state):
        taken = True
        state(task, error)
    elif state is not True:
        while state.peek():
            queue.push(state.pop())
            taken = True
    if owner:
        owner.tasks.remove(task)
        if task is owner.root:
            owner.root = None
            _stop(owner, not taken and error)
            taken = True
    if not taken:
        queue.push(task)  # keep it for one turn, so that another task may still await it
    task.data = error
    if taken:
        del tasks.owners[id(task)]


def _stop(owner, error) -> None:
    if owner.state == "running":
        if error:
            owner.fail(error)
        else:
            owner.stop("stopped")


def _drop(task, owner) -> None:
    """Handle a task that ended with an exception one turn ago, or one that nobody has created.

    If nobody has awaited the ended task, its exception goes to the service's handler, or fails the
    service.
    """
    error = task.data
    if owner is core:
        print("triseal: a task that asyncio.create_task has not made does not run")
        task.coro.close()
    elif task.state is False:  # another task has awaited it meanwhile
        del tasks.owners[id(task)]
    else:
        handler = owner and owner.handler
        if handler:
            try:
                handler(core.Loop, {"message": "", "exception": error, "future": task})
                error = None
            except BaseException as raised:
                mind(raised)
                error = raised
        if error:
            _fail(task, owner, error)
        else:
            del tasks.owners[id(task)]


def _fail(task, owner, error) -> None:
    tasks.owners.pop(id(task), None)
    if owner:
        _stop(owner, error)
    else:
        from . import failures

        print("triseal: the agent: %s: %s" % failures.state(error)[1:])
