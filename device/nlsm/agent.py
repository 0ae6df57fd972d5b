"""The agent of a node: checks every service before it runs, watches over it, ends it in time.

At boot nothing is believed because it was believed before: files are recovered, then everything is
checked again, and what passes is started.
"""

import asyncio
import gc
import json

from sealcore import errors
from sealcore.compat import const

from . import board, bus, clock, floors, keystore, runner, trust, verifier

_TICK_MS = const(250)


class Agent:
    """The node: its time, its trust and its services.

    services    {name: runner.Service}
    trust       trust.Trust; None if its files were refused, and then `failure` says why
    """

    def __init__(self):
        keystore.recover()
        keystore.remove(keystore.INCOMING)
        settings = json.loads(keystore.read(keystore.ROOT + "/settings.json") or b"{}")
        self.config = settings.get("config", {})
        self.settings = settings
        self.bus = bus.Bus()
        self.pin = board.pin
        self.services = {}
        self.listeners = []
        self.trust = self.failure = None
        self.clock = clock.Clock(0)
        try:
            self.floors = floors.Floors()
            self.trust = trust.Trust()
            self.trust.check_key(keystore.read(keystore.ROOT + "/node.key"))
            self.floors.raise_time(self.trust.signed)
            self.clock = clock.Clock(self.floors.time, settings.get("grace", 0))
        except errors.SealError as error:
            self.failure = error
        for name in sorted(keystore.names(keystore.SERVICES)):
            self.services[name] = runner.Service(name)
        runner.adopt(self.services.values)

    def name(self) -> str:
        """The node's name; as long as its certificate was refused, the one that was asked for."""
        return self.trust.node if self.trust else self.settings.get("node", "unknown")

    def bundle_version(self) -> int:
        """The trust bundle's version; 0 if it was refused."""
        return self.trust.bundle.version if self.trust else 0

    def log(self, source: str, text: str) -> None:
        """A line of a service for whoever reads the console; one line, whatever the text."""
        line = source + ": " + text.replace("\n", " ").replace("\r", " ")
        print(line)
        for listener in self.listeners:
            listener(source, text)

    def start_all(self) -> None:
        """Check and start all that is not running, now that it may be possible."""
        for name, service in self.services.items():
            if service.state in (runner.INSTALLING, runner.WAITING, runner.EXPIRED):
                self.start(name)
        verifier.unload()

    def start(self, name: str) -> None:
        """Check a service as it lies on flash; start it if it passes."""
        service = self.services[name]
        if not service.ended():
            return
        folder = keystore.SERVICES + "/" + name
        try:
            seal = self.check(name, folder, keystore.read(folder + "/site.der"))
        except errors.NoTrustedTime:
            service.set(runner.WAITING, "no-trusted-time")
        except errors.SealError as error:
            state = runner.EXPIRED if error.code == "expired" else runner.REFUSED
            service.set(state, error.code, str(error))
        else:
            service.take(seal)
            del seal
            runner.start(service, folder, self)

    def check(self, name: str, folder: str, site_seal):
        """The ten steps now; floors rise with what passes. Returns the seal, raises SealError."""
        if self.failure:
            raise self.failure
        seal = verifier.check(
            folder, site_seal, self.trust, name, self.clock.now(), self.floors.version(name)
        )
        self.floors.raise_version(name, seal.security_version)
        self.floors.raise_time(seal.not_before)
        self.clock.raise_floor(seal.not_before)
        return seal

    def set_time(self, signed) -> None:
        """The site's answer to `clock.ask`; raises SealError. What waited for it is started."""
        if self.failure:
            raise self.failure
        self.clock.answer(signed, self.trust.bundle)
        self.floors.raise_time(self.clock.floor)
        self.start_all()

    def watch(self) -> None:
        """Stop what may no longer run; reset the board if that does not help."""
        try:
            now = self.clock.now()
        except errors.NoTrustedTime:
            now = None
        for service in self.services.values():
            if service.stuck():
                print("triseal: %s does not stop; reset" % service.name)
                board.reset()
            if service.state != runner.RUNNING:
                continue
            if now is None:
                service.stop(runner.WAITING, "no-trusted-time")
            elif now > service.not_after:
                service.stop(runner.EXPIRED, "expired", "valid to %d" % service.not_after)
            elif service.ended():
                service.stop(runner.STOPPED)
            else:
                continue
            self.bus.leave(service.name)

    def report(self) -> None:
        """Say on the console what has changed."""
        from . import console

        for service in self.services.values():
            if service.changed:
                service.changed = False
                print("triseal: " + console.line(service))


async def _main() -> None:
    from . import console

    node = Agent()
    if node.failure:
        print("triseal: %s: %s" % (node.failure.code, node.failure))
    node.start_all()
    gc.collect()
    asyncio.create_task(console.serve(node))
    while True:
        board.feed()
        node.watch()
        node.report()
        await asyncio.sleep_ms(_TICK_MS)


def run() -> None:
    """Run until the end of the board's power, or Ctrl-C."""
    try:
        asyncio.run(_main())
    finally:
        asyncio.new_event_loop()
