"""Which task is whose, and what of asyncio is no service's to use.

What a service starts, in its module or in `main`, is its own and ends with it. Services get another
KeyboardInterrupt than the interpreter's: so what they raise is told from a person's Ctrl-C.
"""

import asyncio
import builtins

core = asyncio.core
create_task = core.create_task
new_event_loop = core.new_event_loop

# The services by name, and the one whose module is being imported.
_state: list = [{}, None]
# By id of a task that has not ended: its service.Service; None for the agent's own.
owners: dict = {}
_INTERRUPT = type("KeyboardInterrupt", (BaseException,), {})


def begin(services: dict, loading) -> None:
    """From now on each task that a service starts is in its `tasks`.

    Args:
        services: service.Service by name.
        loading: the one that is about to be imported; None once it was.
    """
    _state[0] = services
    _state[1] = loading
    if core.create_task is _adopt:
        return
    # Before any service is imported: it could import the names into its own module.
    builtins.KeyboardInterrupt = _INTERRUPT  # type: ignore[misc, assignment] # for services
    core.create_task = asyncio.create_task = _adopt
    for name in ("run", "run_until_complete", "new_event_loop"):
        setattr(core, name, _deny)
        setattr(asyncio, name, _deny)
    core.Loop.run_forever = core.Loop.run_until_complete = _deny
    core.Loop.set_exception_handler = _handle


def end(real=KeyboardInterrupt) -> None:
    """No service runs any more: what a person finds at the REPL then."""
    builtins.KeyboardInterrupt = real  # type: ignore[misc] # no services
    core.create_task = asyncio.create_task = create_task
    owners.clear()
    _state[0] = {}
    core._task_queue = core._io_queue = None  # their room may be wanted
    new_event_loop()


def create(coroutine, owner=None):
    """A task of a service, or of the agent."""
    task = create_task(coroutine)
    owners[id(task)] = owner
    if owner:
        owner.tasks.append(task)
    return task


def owner():
    """The service.Service whose code runs; None for the agent's own."""
    # What `cur_task` holds while a module is imported is old.
    return _state[1] or owners.get(id(core.cur_task))


def _adopt(coroutine):
    return create(coroutine, owner())


def _deny(*_):
    raise RuntimeError("the node runs the loop, and `main` in it")


def _handle(handler) -> None:
    one = owner()
    if one:
        one.handler = handler
