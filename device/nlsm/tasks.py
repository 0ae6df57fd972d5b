"""Which task is whose: what a service starts, in its module or in `main`, ends with it."""

import asyncio

# The services by name, the one whose module is being imported, and asyncio's own create_task.
_state = [{}, None, None]


def begin(services: dict, loading) -> None:
    """From now on each task that a service starts is in its `tasks`.

    Args:
        services: service.Service by name.
        loading: the one that is about to be imported; None once it was.
    """
    _state[0] = services
    _state[1] = loading
    if not _state[2]:
        _state[2] = asyncio.core.create_task
        # Before any service is imported: it could import the name into its own module.
        asyncio.core.create_task = asyncio.create_task = _adopt


def create(coroutine):
    """A task of nobody; `begin` goes before."""
    return _state[2](coroutine)


def _adopt(coroutine):
    services, loading, _ = _state
    parent = asyncio.core.cur_task
    for one in services.values():
        if one is loading or (not loading and parent in one.tasks):
            one.ended()
            task = create(_guard(coroutine))
            one.tasks.append(task)
            return task
    return create(coroutine)


async def _guard(coroutine):
    try:
        return await coroutine
    except SystemExit:  # it would end the event loop, and so the agent
        raise RuntimeError("a service can't exit the node")
