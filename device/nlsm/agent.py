"""The agent of a node: one event loop that starts services, watches over them and ends them."""

import asyncio

from sealcore import errors
from sealcore.compat import const

from . import board, clock, console, memory, service

_TICK_MS = const(250)


class Agent:
    """The node: its time and its services.

    name        of the node
    bundle      version of its trust bundle; 0 if its own files were refused, and then
    failure     is the SealError, and nothing runs
    settings    dict, as provisioning wrote it
    services    {name: service.Service}
    clock       clock.Clock
    """

    def __init__(self, name: str, settings: dict):
        self.name = name
        self.settings = settings
        self.bundle = 0
        self.failure = None
        self.services = {}
        self.clock = clock.Clock(0)
        self.runner = None
        self.followers = []

    def log(self, source: str, text: str) -> None:
        """A line of a service for whoever reads the console; one line, whatever the text."""
        text = text.replace("\n", " ").replace("\r", " ")
        print(source + ": " + text)
        for follower in self.followers:
            follower(source, text)

    def start(self) -> None:
        """Check, import and run all that waits for it."""
        for one in self.services.values():
            if one.state in (service.INSTALLING, service.WAITING, service.EXPIRED) and one.ended():
                self._load(one)
        memory.free()
        if not self.runner and any(one.main for one in self.services.values()):
            from . import runner

            self.runner = runner.Runner(self)
        for one in self.services.values():
            if one.main:
                self.runner.start(one)

    def _load(self, one) -> None:
        memory.load(memory.CHECK)
        from . import starter

        # Nothing awaits between the check and the import, so that nothing else runs.
        admitted = starter.admit(self, one)
        del starter
        memory.free()
        if admitted:
            one.load()

    def set_time(self, signed) -> None:
        """Take the site's answer to `clock.ask`; raises SealError. What waited is started."""
        from . import starter

        if self.failure:
            raise self.failure
        starter.set_time(self, signed)
        del starter
        self.start()

    def watch(self) -> None:
        """Stop what may no longer run; reset the board if one does not stop."""
        try:
            now = self.clock.now()
        except errors.NoTrustedTime:
            now = None
        for one in self.services.values():
            if one.state == service.RUNNING:
                self._watch(one, now)
            elif one.stuck():
                print("triseal: %s does not stop, so the board is reset" % one.name)
                board.reset()
            if one.changed:
                one.changed = False
                print("triseal: " + str(one))

    def _watch(self, one, now) -> None:
        if now is None:
            one.stop(service.WAITING, "no-trusted-time")
        elif now > one.not_after:
            one.stop(service.EXPIRED, "expired", "valid to %d" % one.not_after)
        elif one.ended():
            one.stop(service.STOPPED)
        if one.state != service.RUNNING:
            self.runner.bus.leave(one.name)


async def _main() -> None:
    from . import boot

    node = boot.node()
    del boot
    node.start()
    answering = asyncio.create_task(console.serve(node))
    while not answering.done() or node.services:
        board.feed()
        node.watch()
        await asyncio.sleep_ms(_TICK_MS)


def run() -> None:
    """Run until the power goes, or Ctrl-C comes."""
    try:
        asyncio.run(_main())
    finally:
        asyncio.new_event_loop()
