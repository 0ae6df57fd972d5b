"""The node: who it is, what time it has, its services; and which of them may run.

Nothing here needs an event loop: at boot, services are checked and imported before the rest of the
agent is loaded, since a small heap has no room for both.
"""

import time

from sealcore.compat import const

from . import clock, console, memory, service

_PAUSE_MS = const(50)
_HOLD_MS = const(10000)  # where the site can be reached, and services may run without the time
_SUSPECT = const(4)  # points, as quarantine._RESET
_LINE = const(512)  # bytes of a log line
_print = print  # services find another one; see `guard`


class Node:
    """The node.

    name, bundle, settings, cause, starts, failure    as boot.look() has found them
    flight      when to look, by clock.ms(), at services that are not steady yet; None if all are
    alone       whether that one is under suspicion: no other one starts meanwhile
    held        until when nothing starts, by clock.ms(): the site may have to say something
    waits       whether nothing can run before the time is known by the console
    services    {name: service.Service}
    clock       clock.Clock
    question    clock.Question that was put on the console
    mark        what begins the node's lines there, as its last ASK wants it; see `answers`
    runner      runner.Runner; None before the event loop runs
    link        link.Link: a dial.Dial, or a wire.Wire once the site has opened it; else None
    followers   called with (service, text) for each line of a service's log
    """

    if False:  # for mypy alone: it compiles to nothing
        from . import link as _link  # type: ignore[unreachable]
        from . import runner as _runner

        flight: int | None
        runner: _runner.Runner | None
        link: _link.Link | None

    def __init__(self, found: dict):
        """`found` is what boot.look() returns."""
        self.name = found["name"]
        self.bundle = found["bundle"]
        self.settings = found["settings"]
        self.cause = found["cause"]
        self.failure = found["failure"]
        self.starts = found["starts"]
        self.flight = None
        self.alone = False
        self.held = 0
        if "server" in self.settings and found["grace"]:
            self.hold(min(_HOLD_MS, found["grace"] * 500))
        self.clock = clock.Clock(found["floor"], found["grace"])
        self.waits = not (found["grace"] or "server" in self.settings)
        self.question = clock.Question()
        self.mark = ""
        self.runner = self.link = None
        self.followers: list = []
        self.services = {}
        for name in found["services"]:
            one = self.services[name] = service.Service(name)
            if self.failure:
                one.set("refused", self.failure.code, str(self.failure))

    def log(self, one, text: str) -> None:
        """A line of a service for whoever reads the console; one line, whatever the text. Where
        they are too many, it is left out, and once said so."""
        over = one.says(service.LINE)
        if over <= 0:
            self._line(one.name, service.plain(text, _LINE))
        elif over == 1:
            self._line(one.name, "more lines than it may say in 5 s are left out")

    def _line(self, source: str, text: str) -> None:
        _print(source + ": " + text)
        for follower in self.followers:
            follower(source, text)

    def tell(self) -> None:
        """Tell what has changed since the last time."""
        for one in self.services.values():
            if one.changed:
                print("triseal: " + str(one))
                one.changed = False
                if self.link:
                    self.link.report(one)

    def check(self) -> None:
        """Check and import all that waits for it; then run it, once the event loop runs."""
        if self.held:
            return
        for suspected in (False, True):
            for one in self.services.values():
                if (one.name in self.suspects()) is suspected and self._may_start(one, suspected):
                    from . import admission

                    admission.check(self, one)
                    del admission
        if self.flight is not None:
            from . import quarantine

            quarantine.imported(self)
            del quarantine
        memory.free()
        if self.runner:
            self.runner.begin()

    def suspects(self) -> list:
        """Names of the services that may have reset the board as they started: see `quarantine`."""
        return [name for name in self.starts if self.starts[name][0] >= _SUSPECT]

    def _may_start(self, one, suspected: bool) -> bool:
        if one.state not in ("installing", "waiting-for-time", "expired") or one.then:
            return False
        if self.alone or (suspected and self.flight is not None):
            return False
        # A new version may be what mends the one that lies there since before the board started.
        if self.link and not one.offered and self.link.fetches(one.name):
            self.hold(_PAUSE_MS)
            return False
        return one.ended()

    def hold(self, ms: int) -> None:
        """Start nothing for so long."""
        self.held = clock.ms() + ms

    def land(self) -> None:
        """A person ends the agent: that is held against no service."""
        if self.flight is not None:
            from . import quarantine

            quarantine.land(self)

    def set_time(self, signed) -> None:
        """Take the site's answer on the console; raises SealError. What waited is started."""
        if self.failure:
            raise self.failure
        if self.link:
            self.link.answered("=")
        from . import timing

        timing.take_alone(self.clock, self.question, signed)
        del timing
        self.check()

    def wait_for_time(self) -> None:
        """Check what can be checked; where nothing can before the time is known, answer on the
        console until it is."""
        if self.failure:
            print("triseal: %s: %s" % (self.failure.code, self.failure))
        self.check()
        line = console.Console(self)
        while self.waits and not self.clock.trusted:
            self.tell()
            if not line.turn():
                return
            line.take()
            time.sleep_ms(_PAUSE_MS)
