"""A service of this node: what its seal says, and the state that it is in.

The life of a service is this table. `then` is what `installer.finish` does after the last task of
the service has ended:

    event                      from                    state           then
    its files have arrived     any                     installing      replace, then start
    all checks have passed     installing              running         -
    a check has failed         installing              refused, expired, waiting-for-time
    the board was reset twice  installing              quarantined     -
    its code raises            installing, running     failed          -
    a wait of 1 to 300 s ends  failed                  installing      start
    its seal ends              running                 expired         -
    `main` returns             running                 stopped         -
    its grants change          any                     installing      start
    a person restarts it       any                     installing      start
    the site removes it        any                     stopped         remove
"""

from sealcore.compat import const

from . import clock

_STOP_MS = const(5000)
_STEADY_MS = const(300000)
_LONGEST_S = const(300)
_MOST_FAILS = const(9)
VALUE = const(1)
LINE = const(2)
_SAID_MS = const(5000)
_MOST_VALUES = const(500)  # values that a service may put on the bus within _SAID_MS
_MOST_LINES = const(50)  # log lines that a service may write within _SAID_MS
_CODE = const(32)  # bytes; sealcore.messages has room for this many
_DETAIL = const(128)
_OLD_MS = const(0x1FFFFFFF)
_MANY = const(1023)


def plain(text: str, most: int) -> str:
    """Make a service's text safe to send and to show: one line of at most `most` bytes of UTF-8.

    The result has no control characters, because they could steer a terminal. It has no invalid
    text, because sending that would end the connection, and the reader could not decode the node's
    status.
    """
    text = text[:most]
    for byte in text.encode():
        if not 32 <= byte < 127:
            break
    else:
        return text
    # Build the text again character by character: a MicroPython string may hold surrogates and
    # overlong forms.
    text = "".join([chr(code) if _shows(code) else " " for code in map(ord, text)])
    while len(text.encode()) > most:
        text = text[:-1]
    return text


def _shows(code: int) -> bool:
    return 32 <= code < 127 or 160 <= code < 0xD800 or 0xE000 <= code < 0x110000


def by_person(error, real=KeyboardInterrupt) -> bool:
    """Tell whether the error is a Ctrl-C of a person.

    Services see another class under the name KeyboardInterrupt: see `tasks`.
    """
    return type(error) is real


class Service:
    """One service.

    name, version, serial, not_before, not_after, granted    from its accepted seal
    grants     the grants that are in force now: none after the service was stopped
    state      one of messages.STATES
    code, detail    the reason: the code of a refusal or the name of an error, and a short text
    began      clock.ms() when it was last started
    main       its coroutine function, from the import until the start; else None
    tasks      all tasks that it has started and that may still run
    lent       what it has borrowed: (number, safe state) of a pin, (object, number) of a timer,
               a list with an item for each running thread, streams, or objects with a method
               `back()`
    root       the task that runs `main`
    handler    called for an exception that nobody catches in a task; the service then
               goes on. None if it has set no handler
    restarts   how often it was started again since the node booted
    fails      how often in a row it has failed soon after its start
    once       whether its metadata says that it is not started again after a failure
    retry      when to start it again, by clock.ms(); 0 unless it has failed
    due        when to renew its seal, Unix seconds; None until a random moment is drawn
    later      equal to `due` after a refusal: then no other renewal takes this one along
    then       what to do after all its tasks have ended: start, replace or remove; "" for none
    offered    serial number of the seal that will replace its present one
    denied     how often it used something that no grant allows
    """

    # These defaults belong to the class, and an instance overrides them only when it needs another
    # value. With more than 17 attributes of its own, the table of each service would take a third
    # more memory.
    lent: tuple[()] | list = ()
    # The start of the period, then how far values and lines are above the limit.
    _said: tuple[()] | list = ()
    restarts = fails = retry = denied = later = stopped_at = 0
    once = False
    offered = b""
    then = detail = ""
    main: object = None
    handler: object = None

    def __init__(self, name: str):
        self.name = name
        self.version = ""
        self.serial = b""
        # `cut` sets the last one where there is no memory for one more attribute.
        self.not_before = self.not_after = self.stopped_at = 0
        self.grants = self.granted = ()
        self.began = clock.ms()
        self.tasks: list = []
        self.root = self.due = None
        self.set("installing")

    def set(self, state: str, code: str = "", detail: str = "") -> None:
        """Set a new state and its reason."""
        self.state = state
        self.code = plain(code, _CODE)
        if detail or self.detail:
            self.detail = plain(detail, _DETAIL)
        self.changed = True

    def deny(self, what: str) -> None:
        """Count that the service used something that no grant allows, and show it in its state."""
        self.denied += 1
        if self.state == "running" and self.detail != what:
            self.set("running", "not-granted", what)

    def lend(self, what) -> None:
        """Remember an object that the node takes back when the service ends."""
        self.lent = self.lent or []
        self.lent.append(what)

    def says(self, what: int) -> int:
        """Count one more VALUE or LINE, and return how many are above the limit in the present 5 s.

        The result is 0 or less while the service keeps within the limit.
        """
        said = self._said
        now = clock.ms()
        if not said or now - said[0] >= _SAID_MS:
            self._said = said = [now, -_MOST_VALUES, -_MOST_LINES]
        said[what] += 1
        return said[what]

    def stop(self, state: str, code: str = "", detail: str = "") -> None:
        """Cancel all tasks of the service and withdraw its grants."""
        self._cancel()
        self.set(state, code, detail)

    def cut(self, code: str) -> None:
        """Stop the service when no memory is left: only reading the time may allocate here."""
        self.state = "failed"
        self.code = code
        if self.detail:
            self.detail = ""
        self.changed = True
        self.stopped_at = self.began
        try:
            self._cancel()
        except MemoryError:  # reading the time is the only step that may allocate
            pass

    def _cancel(self) -> None:
        self.grants = ()
        for task in self.tasks:
            task.cancel()
        self.stopped_at = clock.ms()

    def fail(self, error) -> None:
        """Stop the service, because its own code has raised `error`."""
        if self.main:
            self.main = None
        if self.handler:
            self.handler = None
        try:
            from . import failures

            self.stop(*failures.state(error))
        except MemoryError:  # a tuple with ImportError would take memory
            self.cut("MemoryError")
        except ImportError:
            self.cut("MemoryError")

    def again(self, code: str = "") -> None:
        """Start the service once more: it has failed, or the site asks for it."""
        self.retry = 0
        self.restarts += 1
        self.finish("start", "installing", code)

    def mend(self, now: int) -> None:
        """Start a failed service again after a delay of 1, 2, 4, ... 300 s.

        Call it only while no task of the service runs.

        Args:
            now: clock.ms().
        """
        if self.state != "failed" or self.once or self.then:
            if self.retry:
                self.retry = 0
        elif not self.retry:
            # A service that has run for a long time counts as failing for the first time.
            if now - self.began > _STEADY_MS:
                self.fails = 0
            self.retry = now + 1000 * min(_LONGEST_S, 1 << self.fails)
            self.fails = min(self.fails + 1, _MOST_FAILS)
        elif now >= self.retry:
            self.again()

    def finish(self, then: str, state: str, code: str = "") -> None:
        """Stop the service, and plan what `installer.finish` does next: see `then`."""
        self.stop(state, code)
        self.then = then

    def weight(self) -> int:
        """Return a number that tells which service holds most memory: a higher number means more.

        The agent can only see the tasks of a service and the values in its queues, so it compares
        these first. Between equals, the service that has run longer counts as larger.
        """
        held = len(self.tasks)
        for one in self.lent:
            held += len(getattr(one, "queue", ()))
        return min(held, _MANY) << 19 | min(clock.ms() - self.began, _OLD_MS) >> 10

    def ended(self) -> bool:
        """Tell whether no task of the service is left and everything that it has borrowed is back.

        A stopped service without tasks has its pins, streams and subscriptions taken back here. Of
        a running one, only the tasks count.

        The node calls this before it does anything else with a service that was stopped, for any
        reason.
        """
        for task in self.tasks:
            if task.done():  # a new list only now: one at each call would move through the heap
                self.tasks = [task for task in self.tasks if not task.done()]
                break
        if self.tasks or self.state == "running":
            return not self.tasks
        self._take_back()
        return not self.lent

    def _take_back(self) -> None:
        try:
            while self.lent:
                what = self.lent[-1]
                if type(what) is tuple:
                    from . import board

                    board.take_back(*what)
                elif type(what) is list:
                    if what:
                        return
                elif hasattr(what, "back"):
                    what.back()
                elif hasattr(what.s, "close"):  # a UART has no `close`
                    what.s.close()
                self.lent.pop()
        except Exception:  # out of memory: the next call tries again, or the board is reset
            return

    def stuck(self) -> bool:
        """Tell whether the service was stopped more than 5 s ago; call it until it has ended."""
        return clock.ms() - self.stopped_at > _STOP_MS

    def __str__(self) -> str:
        words = (self.name + " " + self.state, self.code, self.detail)
        return ": ".join([word for word in words if word])
