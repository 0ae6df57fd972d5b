"""The node: its name, its time, its services, and the decision which of them may run.

This module needs no event loop. At boot, the node checks and imports its services before it loads
the rest of the agent, because a small heap has no room for both.
"""

import time

from sealcore.compat import const

from . import clock, console, memory, service

_PAUSE_MS = const(50)
# How long services wait for the site at boot, if they may run without the time.
_HOLD_MS = const(10000)
_SUSPECT = const(4)  # points, as quarantine._RESET
_LINE = const(512)  # bytes of a log line
_print = print  # services see another `print`; see `guard`


class Node:
    """The node.

    name, bundle, settings, cause, starts, failure    as boot.look() has found them
    flight      when to check services that are not steady yet, by clock.ms(); None if all are
    alone       whether a suspected service is starting: no other service starts meanwhile
    held        until when nothing starts, by clock.ms(): the site may have messages first
    waits       whether nothing can run before the console has given the time
    services    {name: service.Service}
    offered     for settings on trial: those before, until when by clock.ms(), their values;
                else None
    clock       clock.Clock
    question    clock.Question that was sent on the console
    mark        prefix of its messages there, chosen by the host's last ASK; see `answers`
    feed        tells the guard of a trial that the loop turns, see `slots.py`; None without it
    runner      runner.Runner; None before the event loop runs
    link        link.Link: a dial.Dial, or a wire.Wire after the site has opened it; else None
    followers   called with (service, text) for each line of a service's log
    """

    if False:  # for mypy alone: it compiles to nothing
        from . import link as _link  # type: ignore[unreachable]
        from . import runner as _runner

        flight: int | None
        offered: tuple | None
        runner: _runner.Runner | None
        link: _link.Link | None

    def __init__(self, found: dict):
        """Create the node from the result of boot.look()."""
        self.name = found["name"]
        self.bundle = found["bundle"]
        self.settings = found["settings"]
        self.offered = None
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
        self.runner = self.link = self.feed = None
        self.followers: list = []
        self.services = {}
        for name in found["services"]:
            one = self.services[name] = service.Service(name)
            if self.failure:
                one.set("refused", self.failure.code, str(self.failure))

    def log(self, one, text: str) -> None:
        """Write a line of a service's log to the console and to all followers.

        Line breaks are replaced. If the service writes too many lines in 5 s, the rest is dropped,
        and one line says so.
        """
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
        """Print and report every service state that has changed since the last call."""
        for one in self.services.values():
            if one.changed:
                print("triseal: " + str(one))
                one.changed = False
                if self.link:
                    self.link.report(one)

    def check(self) -> None:
        """Check and import all services that wait for it. If the loop runs, start them too."""
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

    def recheck(self) -> None:
        """Do the same as `check` after the clock was set.

        This also checks services that had expired when the node booted: when their seals end is not
        known, so the clock may have been wrong.
        """
        for one in self.services.values():
            if one.state == "expired" and not one.not_after:
                one.set("installing")
        self.check()

    def suspects(self) -> list:
        """Return the names of services whose start may have reset the board: see `quarantine`."""
        return [name for name in self.starts if self.starts[name][0] >= _SUSPECT]

    def _may_start(self, one, suspected: bool) -> bool:
        if one.state not in ("installing", "waiting-for-time", "expired") or one.then:
            return False
        # Do not check a seal again that has ended: with each seal that comes after its end, all
        # others would be checked.
        if one.state == "expired" and not 0 < self.clock.known() <= one.not_after:
            return False
        if self.alone or (suspected and self.flight is not None):
            return False
        # A new version is arriving, and it may repair the one that lies on flash since boot: wait
        # for it.
        if self.link and not one.offered and self.link.fetches(one.name):
            self.hold(_PAUSE_MS)
            return False
        return one.ended()

    def hold(self, ms: int) -> None:
        """Start no service for this many milliseconds."""
        self.held = clock.ms() + ms

    def land(self) -> None:
        """Remove the entries of starting services before a planned end of the agent.

        No service is to blame for an end by a person or by the agent's own reset.
        """
        if self.flight is not None:
            from . import quarantine

            quarantine.land(self)

    def set_time(self, signed) -> None:
        """Take the site's signed time from the console, and start what waited for it.

        Raises SealError.
        """
        if self.failure:
            raise self.failure
        if self.link:
            self.link.answered("=")
        from . import timing

        timing.take_alone(self.clock, self.question, signed)
        del timing
        self.recheck()

    def wait_for_time(self) -> None:
        """Check every service that can be checked now.

        If none can run before the time is known, answer on the console until the time is set.
        """
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
