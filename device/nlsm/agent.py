"""The agent of a node: one event loop that starts services, watches over them and ends them."""

import asyncio

from sealcore import errors
from sealcore.compat import const

from . import clock, console, memory, service

_TICK_MS = const(250)


class Agent:
    """The node: its time and its services.

    name, bundle, settings, failure    as boot.look() has found them
    services    {name: service.Service}
    clock       clock.Clock
    question    clock.Question that was put on the console
    link        link.Link; None without a network
    followers   called with (service, text) for each line of a service's log
    """

    def __init__(self, found: dict):
        """`found` is what boot.look() returns."""
        self.name = found["name"]
        self.bundle = found["bundle"]
        self.settings = found["settings"]
        self.failure = found["failure"]
        self.clock = clock.Clock(found["floor"], found["grace"])
        self.runner = self.link = None
        self.question = clock.Question()
        self.followers = []
        self.services = {}
        for name in found["services"]:
            one = self.services[name] = service.Service(name)
            if self.failure:
                one.set("refused", self.failure.code, str(self.failure))

    def log(self, source: str, text: str) -> None:
        """A line of a service for whoever reads the console; one line, whatever the text."""
        text = text.replace("\n", " ").replace("\r", " ")
        print(source + ": " + text)
        for follower in self.followers:
            follower(source, text)

    def start(self) -> None:
        """Check, import and run all that waits for it."""
        for one in self.services.values():
            waits = one.state in ("installing", "waiting-for-time", "expired")
            if waits and not one.then and one.ended():
                self._load(one)
        memory.free()
        if not self.runner and any(one.main for one in self.services.values()):
            from . import runner

            self.runner = runner.Runner(self)
        for one in self.services.values():
            if one.main:
                self.runner.start(one)

    def _load(self, one) -> None:
        try:
            self._check_and_import(one)
        except MemoryError as error:  # the others may be smaller
            one.set("failed", "MemoryError", str(error))

    def _check_and_import(self, one) -> None:
        # Nothing awaits between the two, so nothing else runs.
        memory.load(memory.CHECK)
        from . import starter

        admitted = starter.admit(self, one)
        del starter
        memory.free()
        if admitted:
            from . import loader

            loader.load(one)

    def set_time(self, signed) -> None:
        """Take the site's answer on the console; raises SealError. What waited is started."""
        if self.failure:
            raise self.failure
        memory.load(memory.CHECK)
        from . import timing

        timing.take(self.clock, self.question, signed)
        del timing
        self.start()

    def watch(self) -> None:
        """Stop what may no longer run; reset the board if one does not stop."""
        try:
            now = self.clock.now()
        except errors.NoTrustedTime:
            now = None
        for one in self.services.values():
            if one.state == "running":
                self._watch(one, now)
            elif one.stuck():
                print("triseal: %s does not stop, so the board is reset" % one.name)
                from . import board

                board.reset()
            if one.changed:
                one.changed = False
                print("triseal: " + str(one))
                if self.link:
                    self.link.report(one)
        if any(one.then and one.ended() for one in self.services.values()):
            from . import installer

            installer.finish(self)

    def _watch(self, one, now) -> None:
        if now is None:
            one.stop("waiting-for-time", "no-trusted-time")
        elif now > one.not_after:
            one.stop("expired", "expired", "valid to %d" % one.not_after)
        elif one.ended():
            one.stop("stopped")
        if one.state != "running":
            self.runner.bus.leave(one.name)


async def _main(node: Agent) -> None:
    from . import board

    feed = node.settings.get("watchdog") and board.watch(node.settings["watchdog"])
    del board
    node.start()
    linking = None
    if "server" in node.settings:
        from . import link

        node.link = link.Link(node)
        linking = asyncio.create_task(node.link.run())
    answering = asyncio.create_task(console.serve(node))
    while not (answering.done() and linking is None) or node.services:
        if feed:
            feed()
        node.watch()
        if node.link:
            node.link.tick()
        await asyncio.sleep_ms(_TICK_MS)


def run(found: dict) -> None:
    """Run with what boot.look() has found, until the power goes or Ctrl-C comes."""
    node = Agent(found)
    if node.failure:
        print("triseal: %s: %s" % (node.failure.code, node.failure))
    try:
        asyncio.run(_main(node))
    finally:
        asyncio.new_event_loop()
