"""The node's side of the link to its site, over whatever it goes: `dial` or `wire`.

    HELLO -> WELCOME (time, trust), then both ways: what is due is asked for in one RENEW, what
    comes is handed to `duties`.

Nothing that runs depends on it: without a site, services live as long as their seals. The moment
of each renewal is drawn (`sealcore.renewal`), so that nodes which started together don't come
together. What one node holds is renewed together.
"""

from sealcore import errors
from sealcore.compat import const

from . import clock, memory

_ANSWER_MS = const(30000)
# How soon after it was told the time a node asks for it again, at first and at the most: where it
# does not help (the floor is in the future), it is asked seldom.
_DOUBT_MS = const(10000)
_DOUBT_MOST_MS = const(640000)
MOST_OUT = const(32)  # frames that wait to be sent; beyond it the connection is given up


class Link:
    """The link, whether there is a connection at the moment or not.

    node       the node.Node
    greeted    whether the site has said WELCOME on this connection
    peer       identity.Identity of the server, by its certificate; None where there is no TLS
    patience   until when services wait for what the site has to say, by clock.ms()
    question   clock.Question of the last HELLO
    renewed    deltas that have come and wait for their turns
    validity   of the seals that they make
    _out       frames that wait to be sent

    What carries it has `send(message)` and `drop()`.
    """

    if False:  # what a subclass has, for mypy alone: it compiles to nothing

        def send(self, message: bytes) -> None: ...  # type: ignore[unreachable]
        def drop(self) -> None: ...

    def __init__(self, node):
        self.node = node
        self.peer = self.question = None
        self.patience = 0
        self.download = None
        self._out = []
        self._begin()

    def _begin(self) -> None:
        """Nothing has been said yet."""
        self.greeted = False
        self._asked: dict = {}
        self._untold: dict = {}
        self.renewed: list = []
        self._again = _DOUBT_MS
        self._doubted = clock.ms()
        self._end_download()

    def fetches(self, name: str) -> bool:
        """Whether a service is coming, with what it begins anew: not forever."""
        if not self.download or clock.ms() >= self.patience:
            return False
        return name in self.download.names()

    def _end_download(self) -> None:
        if self.download:
            self.download.close()  # what has come so far stays for the next connection
            self.download = None

    def say(self, code: str, error) -> None:
        """One line for people."""
        print("triseal: link: %s: %s" % (code, error))

    def _draw(self, name: str, *values) -> int:
        """One of renewal's draws, with fresh random bits where it wants them."""
        from sealcore import renewal

        bits = int.from_bytes(clock.draw(4), "big")
        if name == "retry_delay":
            return renewal.retry_delay(values[0], bits, *values[1:])
        if name == "draw":
            return renewal.draw(*values, bits, renewal.SHARE, len(self.node.services))  # type: ignore[call-arg] # two values
        return renewal.connect_delay(bits, self.node.settings.get("spread", renewal.CONNECT_SPREAD))

    def tick(self) -> None:
        """Called some times a second: ask for what is due, see to what was asked for."""
        if not self.greeted:
            return
        now = clock.ms()
        for asked in self._asked.values():
            if now - asked > _ANSWER_MS:
                self.say("no-answer", "the site does not answer")
                self.drop()
                return
        if self.download:
            try:
                self.download.finish()
            except Exception as error:  # out of memory, or the flash is full
                self._fail(error)
        for one in self.node.services.values():
            if one.state == "expired":
                self.doubt_time()
        self.ask(self._due())
        while self._untold and len(self._out) < MOST_OUT // 2:
            self.report(self._untold.popitem()[1])

    def work(self) -> None:
        """Take one of the renewals that have come. The agent calls it once in a turn: to check all
        of them takes longer than services and the watchdog can wait."""
        one = self.renewed.pop(0)
        try:
            from . import linked

            linked.load()
            from . import duties

            duties.renew(self, *one)
            del duties, linked
        except Exception as error:  # out of memory, or the flash is full
            self.renewed = []
            self._fail(error)
        for name in self._asked:  # the site is not silent: the node is at work
            self.expect(name)
        if not self.renewed:
            memory.free()

    def _fail(self, error) -> None:
        self.say(getattr(error, "code", type(error).__name__), error)
        self.drop()

    def _due(self) -> list:
        try:
            now = self.node.clock.now()
        except errors.NoTrustedTime:
            return []
        due = False
        for one in self.node.services.values():
            if one.not_after and one.name not in self._asked:
                if one.due is None:
                    one.due = self._moment(one)
                due = due or one.due <= now
        return self._together(now) if due else []

    def _moment(self, one) -> int:
        """When to renew a seal: with those that came with it."""
        for other in self.node.services.values():
            same = other.not_after == one.not_after and other.not_before == one.not_before
            if same and other.due:
                return other.due
        return self._draw("draw", one.not_before, one.not_after)

    def _together(self, now: int) -> list:
        from sealcore import renewal

        seals = []
        for one in self.node.services.values():
            if one.not_after and one.name not in self._asked:
                opens = renewal.opens(one.not_before, one.not_after)
                # It was refused, or its files are coming, which would begin anew.
                if one.due == one.later or (self.download and one.name in self.download.names()):
                    opens = now + 1
                seals.append((one.name, one.due, opens, one.not_after))
        return renewal.companions(seals, now)

    def ask(self, names) -> None:
        """Ask for the renewal of these services."""
        if not names:
            return
        from sealcore import messages

        held: list = []
        for name in names[: messages.MAX_LIST]:
            self.expect(name)
            one = self.node.services.get(name)
            held.append((name, one.serial if one else b""))
        self.send(messages.write(messages.RENEW, self.node.clock.known(), held))

    def doubt_time(self) -> None:
        """The clock may be wrong: ask the site for the time, unless it has just told it."""
        since = clock.ms() - self._doubted
        if not self.greeted or "=" in self._asked or since < self._again:
            return
        self._again = _DOUBT_MS if since > 2 * self._again else min(2 * self._again, _DOUBT_MOST_MS)
        self._doubted += since
        from sealcore import messages

        self.expect("=")
        # Of the node as well: over a line the answer comes to the console.
        self.question = self.node.question = clock.Question()
        now = self.node.clock.known()
        self.send(messages.write(messages.ASK_TIME, self.question.nonce, now))

    def helped(self, seconds: int) -> None:
        """The clock has been set by so many seconds: if it was wrong, it may soon be so again."""
        if seconds:
            self._again = _DOUBT_MS

    def expect(self, name: str = "") -> None:
        """An answer is due: to the RENEW of a service, to a FETCH, or "=" to ASK_TIME."""
        self._asked[name] = clock.ms()

    def answered(self, name: str = "", again=None) -> None:
        """That answer has come; `again`: when to ask next, if it was a refusal."""
        self._asked.pop(name, None)
        one = self.node.services.get(name)
        if one:
            one.due = again
            if again:
                one.later = again

    def report(self, one, evidence=()) -> None:
        """Tell the site what has become of a service."""
        if not self.greeted:
            return
        if len(self._out) >= MOST_OUT // 2 and not evidence:
            self._untold[one.name] = one  # all services at once are more than there is room for
            return
        from sealcore import messages

        state = messages.STATES.index(one.state)
        told = one.name, one.serial, state, one.code, one.detail, one.restarts, evidence
        self.send(messages.write(messages.REPORT, *told))

    def log(self, source: str, text: str) -> None:
        """Send a line of a service's log; lines that come too fast are left out."""
        from sealcore import messages

        if len(self._out) < MOST_OUT // 4:
            self.send(messages.write(messages.LOG, source, text[:128]))
