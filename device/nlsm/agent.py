"""The agent of a node: one event loop that runs services, watches over them and stops them."""

import asyncio

from sealcore import errors
from sealcore.compat import const

from . import clock, console, guard, loop, memory, runner, service, tasks

_TURN_MS = const(50)
_TURNS = const(5)  # of the console, for each look at the services
_MOST_SHORT = const(200)  # failed turns that count, before the board is reset
_ALONE = const(40)  # such a turn counts for so many if no service runs whose end could help
_PATIENCE = const(3)  # such turns in a row, before a service has to end
_CALM = const(1200)  # turns without one, about a minute: then earlier ones no longer count


def look(node) -> None:
    """Stop the services that may no longer run."""
    try:
        now = node.clock.now()
    except errors.NoTrustedTime:
        now = None
    for one in node.services.values():
        if one.state == "running":
            _look_at(one, now)


def _look_at(one, now) -> None:
    if now is None:
        one.stop("waiting-for-time", "no-trusted-time")
    elif now > one.not_after:
        one.stop("expired", "expired", "valid to %d" % one.not_after)
    elif one.ended():
        one.stop("stopped")


def watch(node) -> None:
    """Stop what may no longer run, then take care of every stopped service.

    A service whose tasks have ended is restarted, replaced or removed as planned. If a service
    still runs some seconds after its stop, the board is reset.
    """
    look(node)
    work = False
    for one in node.services.values():
        if one.state == "running":
            continue
        if one.ended():
            one.mend(clock.ms())
            work = work or one.then
        elif one.stuck():
            print("triseal: %s does not stop, so the board is reset" % one.name)
            node.land()
            from . import board

            board.reset()
    node.tell()
    now = clock.ms()
    if node.held and now >= node.held:
        node.held = 0
        node.check()
    if node.flight is not None and now >= node.flight:
        from . import quarantine

        quarantine.settle(node)
        del quarantine
        memory.free()
    if work:
        from . import linked

        linked.load()
        from . import installer

        installer.finish(node)


def _save_memory(node, short: int) -> None:
    """Stop the service that holds most memory, if memory is too short for the reserve or the agent.

    Between equals, this stops the service that has run longest.

    Args:
        node: the node.Node.
        short: how often in a row memory was too short for what the agent does.
    """
    if memory.reserve() and short <= _PATIENCE:
        return
    most = None
    # Iterating over the values would allocate a view, for which there is no room now.
    for name in node.services:
        one = node.services[name]
        if one.tasks and one.state != "running":
            return  # this service will free some memory in a moment
        if one.tasks and (not most or one.weight() > most.weight()):
            most = one
    if most:
        most.cut("out-of-memory")


def _round(node, feed, short: int) -> None:
    if feed:
        feed()
    if node.feed:
        node.feed()
    _save_memory(node, short)
    watch(node)
    if node.link:
        node.link.tick()


def _survive(node, error, short: int) -> int:
    """Go on after an error of the heap, the stack or the flash: the failed step is tried again
    soon.

    Args:
        node: the node.Node.
        error: the exception that was raised.
        short: how often memory was too short so far.

    Returns: the new value of `short`. Raises: `error`, if it is a Ctrl-C or if nothing has helped.
    """
    if service.by_person(error) or short >= _MOST_SHORT:
        raise error
    memory.relieve()
    try:
        print("triseal: out-of-memory: %s" % error)
        console.sweep()
    except MemoryError:  # the next turn tries again
        pass
    if _some_run(node):
        return short + isinstance(error, MemoryError)
    # Without memory, an import may also fail with another error, and there may be none to print it.
    return short + (_ALONE if isinstance(error, MemoryError) else 1)


def _some_run(node) -> bool:
    for name in node.services:  # noqa: SIM110 - `any` would allocate a generator
        if node.services[name].tasks:
            return True
    return False


async def _main(node) -> None:
    feed = None
    if node.settings.get("watchdog"):
        from . import board

        feed = board.watch(node.settings["watchdog"])
        del board
        if feed and node.feed:
            from . import swap

            swap.watch()
            del swap
    node.runner = runner.Runner(node)
    node.runner.begin()
    if "server" in node.settings:
        from . import dial

        node.link = dial.Dial(node)
        del dial
    line = console.Console(node)
    turns = short = 0
    going = True
    while going:
        try:
            if turns % _TURNS == 0:
                _round(node, feed, short)
            going = line.turn() or "server" in node.settings or node.services
            if node.link and node.link.renewed:
                node.link.work()
                turns = -1  # the watchdog is fed before the next renewal
            else:
                line.take()  # not while renewals wait: it needs room to load its modules
            if short and (turns >= _CALM or _some_run(node)):
                short = 0
        except BaseException as error:
            short = _survive(node, error, short)
            turns = -1  # look at the services again at once: memory may be short until one stops
        turns += 1
        await asyncio.sleep_ms(_TURN_MS)


def run(node) -> None:
    """Run a node.Node until the power fails or a person presses Ctrl-C."""
    try:
        loop.clear_stack()
        loop.run(_main(node), lambda: look(node))
    finally:
        guard.end()
        tasks.end()
