"""The agent of a node: one event loop that runs services, watches over them and ends them."""

import asyncio

from sealcore import errors
from sealcore.compat import const

from . import console, runner

_TURN_MS = const(50)
_TURNS = const(5)  # of the console, to one look at the services


def watch(node) -> None:
    """Stop what may no longer run; reset the board if one does not stop."""
    try:
        now = node.clock.now()
    except errors.NoTrustedTime:
        now = None
    work = False
    for one in node.services.values():
        if one.state == "running":
            _watch(one, now)
        elif one.ended():
            work = work or one.then
        elif one.stuck():
            print("triseal: %s does not stop, so the board is reset" % one.name)
            from . import board

            board.reset()
    node.tell()
    if work:
        from . import linked

        linked.load()
        from . import installer

        installer.finish(node)


def _watch(one, now) -> None:
    if now is None:
        one.stop("waiting-for-time", "no-trusted-time")
    elif now > one.not_after:
        one.stop("expired", "expired", "valid to %d" % one.not_after)
    elif one.ended():
        one.stop("stopped")


async def _main(node) -> None:
    feed = None
    if "watchdog" in node.settings:
        from . import board

        feed = board.watch(node.settings["watchdog"])
        del board
    node.runner = runner.Runner(node)
    node.runner.begin()
    linking = None
    if "server" in node.settings:
        from . import dial

        node.link = dial.Dial(node)
        linking = asyncio.create_task(node.link.run())
    line = console.Console(node)
    while line.turn() or linking or node.services:
        if feed:
            feed()
        try:
            watch(node)
            if node.link:
                node.link.tick()
        except (MemoryError, RuntimeError, OSError) as error:  # of the heap, the stack or the flash
            # It is tried again at once; what has stopped stays so.
            print("triseal: out-of-memory: %s" % error)
            console.sweep()
        line.take()
        for _ in range(_TURNS):
            await asyncio.sleep_ms(_TURN_MS)
            line.turn()
            line.take()


def run(node) -> None:
    """Run a node.Node until the power goes, or Ctrl-C comes."""
    try:
        asyncio.run(_main(node))
    finally:
        asyncio.new_event_loop()
