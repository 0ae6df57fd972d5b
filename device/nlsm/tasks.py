"""Records which service owns each task, and blocks the parts of asyncio that services must not use.

Every task that a service starts, in its module or in `main`, belongs to it and ends with it.
Services see another KeyboardInterrupt than the interpreter's, so the node can tell their exceptions
from a person's Ctrl-C.
"""

import asyncio
import builtins

core = asyncio.core
create_task = core.create_task
new_event_loop = core.new_event_loop

# The services by name, and the service whose module is being imported or whose callback is called.
_state: list = [{}, None]
# For each task that has not ended, by id of the task: its owner, which is a service.Service or None
# for the agent, and its coroutine. The coroutine is here and not in the task, because asyncio's
# queue may point to an ended task for a long time, and all that the coroutine held would stay.
owners: dict = {}
_AGENT = (None, None)
_INTERRUPT = type("KeyboardInterrupt", (BaseException,), {})


def begin(services: dict, loading):
    """Record each task that a service starts from now on in its list `tasks`.

    Args:
        services: service.Service by name.
        loading: the service that is about to be imported, or whose callback is called; None after
            that.

    Returns: the value of `loading` in the last call.
    """
    before = _state[1]
    _state[0] = services
    _state[1] = loading
    if core.create_task is _adopt:
        return before
    # Do this before any service is imported: it could copy the names into its own module.
    builtins.KeyboardInterrupt = _INTERRUPT  # type: ignore[misc, assignment] # for services
    core.create_task = asyncio.create_task = _adopt
    for name in ("run", "run_until_complete", "new_event_loop"):
        setattr(core, name, _deny)
        setattr(asyncio, name, _deny)
    core.Loop.run_forever = core.Loop.run_until_complete = _deny
    core.Loop.set_exception_handler = _handle
    return before


def end(real=KeyboardInterrupt) -> None:
    """Restore asyncio and the builtins for a person at the REPL. No service runs any more."""
    builtins.KeyboardInterrupt = real  # type: ignore[misc] # no services
    core.create_task = asyncio.create_task = create_task
    owners.clear()
    _state[0] = {}
    core._task_queue = core._io_queue = None  # their memory may be needed
    new_event_loop()


def _nothing():
    yield


# Takes the place of the coroutine in each task.
_EMPTY = _nothing()


def create(coroutine, owner=None):
    """Create a task of a service, or of the agent if there is no owner."""
    if not hasattr(coroutine, "send"):
        raise TypeError("coroutine expected")
    task = create_task(_EMPTY)
    owners[id(task)] = (owner, coroutine)
    if owner:
        owner.tasks.append(task)
    return task


def owner():
    """Return the service.Service whose code runs; None for the agent's own code."""
    # While a module is imported, `cur_task` still holds an older task.
    return _state[1] or owners.get(id(core.cur_task), _AGENT)[0]


def _adopt(coroutine):
    return create(coroutine, owner())


def _deny(*_):
    raise RuntimeError("the node runs the loop, and `main` in it")


def _handle(handler) -> None:
    one = owner()
    if one:
        one.handler = handler
