"""The node's side of the link to its site. `dial` carries it over TLS, `wire` over the USB line.

    HELLO -> WELCOME (time, trust), then messages go both ways: the node asks for all renewals that
    are due in one RENEW, and `duties` handles each message that arrives.

No running service depends on the link: without a site, a service runs until its seal expires. The
moment of each renewal is random (`sealcore.renewal`), so that nodes which started together do not
all ask at the same time. One node renews its seals together.
"""

from sealcore import errors
from sealcore.compat import const

from . import clock, memory

_ANSWER_MS = const(30000)
# How long after one answer the node may ask for the time again: the first wait and the longest
# wait. Where the answer does not help, because the floor lies in the future, the node asks less and
# less often.
_DOUBT_MS = const(10000)
_DOUBT_MOST_MS = const(640000)
MOST_OUT = const(32)  # frames that may wait to be sent; with more, the node drops the connection


class Link:
    """The link to the site. The object exists even while there is no connection.

        node       the node.Node
        greeted    whether the site has sent WELCOME on this connection
        peer       identity.Identity from the server's certificate, True after WELCOME; None where
                   there is no TLS
        patience   until when services wait for messages of the site, by clock.ms()
        question   clock.Question of the last HELLO
        renewed    seal deltas that have arrived and are still to be handled
        validity   validity period of the seals that these deltas produce
        turn       which server and which of its addresses is tried first
        whole      how many DIFFERs in a row have got no answer, see `download`
        _out       frames that wait to be sent

    A subclass provides the transport: `send(message)` and `drop()`.
    """

    if False:  # methods of the subclasses, declared for mypy only: this compiles to nothing

        def send(self, message: bytes) -> None: ...  # type: ignore[unreachable]
        def drop(self) -> None: ...

    def __init__(self, node):
        self.node = node
        self.peer = self.question = None
        self.patience = self.whole = 0
        self.download = None
        self._out = []
        self._begin()

    def _begin(self) -> None:
        """Reset the state for a new connection on which nothing was said yet."""
        self.greeted = False
        self._asked: dict = {}
        self._untold: dict = {}
        self.renewed: list = []
        self._again = _DOUBT_MS
        self._doubted = clock.ms()
        self._end_download()

    def fetches(self, name: str) -> bool:
        """Tell whether a new version of this service is arriving.

        The answer is no after `patience` has ended.
        """
        if not self.download or clock.ms() >= self.patience:
            return False
        return name in self.download.names()

    def _end_download(self) -> None:
        if self.download:
            # The part that has arrived stays on flash for the next connection.
            self.download.close()
            self.download = None

    def say(self, code: str, error) -> None:
        """Print one line for people about an error of the link."""
        print("triseal: link: %s: %s" % (code, error))

    def _draw(self, name: str, *values) -> int:
        """Call one of the drawing functions of `renewal`, and give it fresh random bits."""
        from sealcore import renewal

        bits = int.from_bytes(clock.draw(4), "big")
        if name == "retry_delay":
            return renewal.retry_delay(values[0], bits, *values[1:])
        if name == "draw":
            return renewal.draw(*values, bits, renewal.SHARE, len(self.node.services))  # type: ignore[call-arg] # two values
        return renewal.connect_delay(bits, self.node.settings.get("spread", renewal.CONNECT_SPREAD))

    def tick(self) -> None:
        """Ask for what is due, and drop the connection if an answer is missing.

        Called several times a second.
        """
        now = clock.ms()
        if self.node.offered and now > self.node.offered[1]:
            from . import settle

            settle.leave(self)
        if not self.greeted:
            return
        if self._asked and now - min(self._asked.values()) > _ANSWER_MS:
            self.say("no-answer", "the site does not answer")
            self.drop()
            return
        if self.download:
            try:
                self.download.finish()
                if not self.download.names():
                    self._end_download()  # the object would keep its module in memory
            except Exception as error:  # out of memory, or the flash is full
                self._fail(error)
        for one in self.node.services.values():
            if one.state == "expired":
                self.doubt_time()
        self.ask(self._due())
        while self._untold and len(self._out) < MOST_OUT // 2:
            self.report(self._untold.popitem()[1])

    def work(self) -> None:
        """Handle one of the renewals that have arrived.

        The agent calls this once in each turn: checking all of them at once would take longer than
        services and the watchdog can wait.
        """
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
        """Return when to renew this seal: the same moment as for other seals with the same
        validity.
        """
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
                # The site refused this renewal, or the files of the service are arriving and a
                # renewal would restart the transfer. Do not take it along.
                if one.due == one.later or (self.download and one.name in self.download.names()):
                    opens = now + 1
                seals.append((one.name, one.due, opens, one.not_after))
        return renewal.companions(seals, now)

    def ask(self, names) -> None:
        """Ask the site to renew the seals of these services."""
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
        """Ask the site for the time, because the clock may be wrong.

        Do nothing if it has just answered.
        """
        since = clock.ms() - self._doubted
        if not self.greeted or "=" in self._asked or since < self._again:
            return
        self._again = _DOUBT_MS if since > 2 * self._again else min(2 * self._again, _DOUBT_MOST_MS)
        self._doubted += since
        from sealcore import messages

        self.expect("=")
        # Set it on the node too: over the USB line the answer comes to the console.
        self.question = self.node.question = clock.Question()
        now = self.node.clock.known()
        self.send(messages.write(messages.ASK_TIME, self.question.nonce, now))

    def helped(self, seconds: int) -> None:
        """Note that an answer has set the clock by so many seconds.

        If the clock was wrong, it may soon be wrong again: then the next question waits only
        briefly.
        """
        if seconds:
            self._again = _DOUBT_MS

    def expect(self, name: str = "") -> None:
        """Note that an answer is due: "=" stands for ASK_TIME, "" for FETCH, a service name for its
        RENEW.
        """
        self._asked[name] = clock.ms()

    def answered(self, name: str = "", again=None) -> None:
        """Note that the answer has come.

        After a refusal, `again` says when to ask next, in Unix seconds.
        """
        self._asked.pop(name, None)
        one = self.node.services.get(name)
        if one:
            for other in self._asked:  # the answers are not late: this one keeps the node busy
                self.expect(other)
            one.due = again
            if again:
                one.later = again

    def report(self, one, evidence=()) -> None:
        """Report the state of a service to the site."""
        if not self.greeted:
            return
        if len(self._out) >= MOST_OUT // 2 and not evidence:
            # Reports of all services at once need more room than there is.
            self._untold[one.name] = one
            return
        from sealcore import messages

        state = messages.STATES.index(one.state)
        told = one.name, one.serial, state, one.code, one.detail, one.restarts, evidence
        self.send(messages.write(messages.REPORT, *told))

    def log(self, source: str, text: str) -> None:
        """Send a line of a service's log to the site.

        Drop the line if too many frames wait already.
        """
        from sealcore import messages

        if len(self._out) < MOST_OUT // 4:
            self.send(messages.write(messages.LOG, source, text[:128]))
