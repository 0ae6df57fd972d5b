"""A service of this node: what its seal says, and what has become of it.

The life of a service. `then` is what is done once none of its tasks is left (installer.finish):

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
_MOST_VALUES = const(500)  # on the bus, in that time
_MOST_LINES = const(50)  # of the log
_CODE = const(32)  # bytes, as sealcore.messages has room for
_DETAIL = const(128)
_OLD_MS = const(0x1FFFFFFF)
_MANY = const(1023)


def plain(text: str, most: int) -> str:
    """What a service says, as one line of at most `most` bytes of UTF-8 that steers no terminal:
    what can't be sent would end the connection, and what can't be read the view of the node."""
    text = text[:most]
    for octet in text.encode():
        if not 32 <= octet < 127:
            break
    else:
        return text
    # Written anew: MicroPython's own text may hold surrogates and overlong forms.
    text = "".join([chr(code) if _shows(code) else " " for code in map(ord, text)])
    while len(text.encode()) > most:
        text = text[:-1]
    return text


def _shows(code: int) -> bool:
    return 32 <= code < 127 or 160 <= code < 0xD800 or 0xE000 <= code < 0x110000


def by_person(error, real=KeyboardInterrupt) -> bool:
    """Whether it is a Ctrl-C. Services have another class of that name: see `tasks`."""
    return type(error) is real


class Service:
    """One service.

    name, version, serial, not_before, not_after, granted    of its seal, once that was accepted
    grants     what of it is in force: nothing once it was stopped
    state      one of messages.STATES
    code, detail    why: the code of a refusal or the name of an error, and a word about it
    began      clock.ms() when it was last started
    main       its coroutine function, from the import to the start
    tasks      all that it has started and that may still run
    lent       what was handed out to it: (number, safe state) of a pin, a list with an item for
               each thread that runs, streams, or what has `back()`
    root       the one of its tasks that runs `main`
    handler    called for what its tasks raise and nobody takes, instead of ending it; or None
    restarts   how often it was started again since the node booted
    fails      how often in a row it has failed soon after its start
    once       whether its metadata says that it is not started again when it has failed
    retry      when to start it again, by clock.ms(); 0 unless it has failed
    due        when to renew its seal, Unix seconds; None until that is drawn
    later      the same as `due` after a refusal: then it is asked for with no other
    then       what to do once nothing of it runs: start, replace or remove; "" for nothing
    offered    serial of what replaces it
    denied     how often it used what no grant gives
    """

    # Of the class, for as long as they say nothing else: with more than 17 attributes of its own,
    # the table of each service would take twice the memory.
    lent: tuple[()] | list = ()
    _said: tuple[()] | list = ()  # since when, and how many values and lines too many
    restarts = fails = retry = denied = later = stopped_at = 0
    once = False
    offered = b""
    then = ""
    handler: object = None

    def __init__(self, name: str):
        self.name = name
        self.version = ""
        self.serial = b""
        self.not_before = self.not_after = 0
        self.grants = self.granted = ()
        self.began = clock.ms()
        self.tasks: list = []
        self.main = self.root = self.due = None
        self.set("installing")

    def set(self, state: str, code: str = "", detail: str = "") -> None:
        """Its new state and why."""
        self.state = state
        self.code = plain(code, _CODE)
        self.detail = plain(detail, _DETAIL)
        self.changed = True

    def deny(self, what: str) -> None:
        """It used what no grant gives."""
        self.denied += 1
        if self.state == "running" and self.detail != what:
            self.set("running", "not-granted", what)

    def lend(self, what) -> None:
        """From now on it has something that is taken back when it ends."""
        self.lent = self.lent or []
        self.lent.append(what)

    def says(self, what: int) -> int:
        """It says one more of this kind, a VALUE or a LINE: how many too many in these 5 s."""
        said = self._said
        now = clock.ms()
        if not said or now - said[0] >= _SAID_MS:
            self._said = said = [now, -_MOST_VALUES, -_MOST_LINES]
        said[what] += 1
        return said[what]

    def stop(self, state: str, code: str = "", detail: str = "") -> None:
        """Cancel all its tasks; from now on nothing is granted to it."""
        self._cancel()
        self.set(state, code, detail)

    def cut(self, code: str) -> None:
        """Stop it where there is no memory left: this wants none."""
        self.state = "failed"
        self.code = code
        self.detail = ""
        self.changed = True
        self.stopped_at = self.began
        try:
            self._cancel()
        except MemoryError:  # of the time, for which alone it has some need
            pass

    def _cancel(self) -> None:
        self.grants = ()
        for task in self.tasks:
            task.cancel()
        self.stopped_at = clock.ms()

    def fail(self, error) -> None:
        """Stop it: its own code has raised this."""
        self.main = None
        if self.handler:
            self.handler = None
        try:
            from . import failures

            self.stop(*failures.state(error))
        except (MemoryError, ImportError):
            self.cut("MemoryError")

    def again(self, code: str = "") -> None:
        """Start it once more: it has failed, or the site wants it."""
        self.retry = 0
        self.restarts += 1
        self.finish("start", "installing", code)

    def mend(self, now: int) -> None:
        """Start it again where it has failed, after 1, 2, 4, ... 300 s; called while nothing of it
        runs.

        Args:
            now: clock.ms().
        """
        if self.state != "failed" or self.once or self.then:
            if self.retry:
                self.retry = 0
        elif not self.retry:
            # One that has run for long fails for the first time again.
            if now - self.began > _STEADY_MS:
                self.fails = 0
            self.retry = now + 1000 * min(_LONGEST_S, 1 << self.fails)
            self.fails = min(self.fails + 1, _MOST_FAILS)
        elif now >= self.retry:
            self.again()

    def finish(self, then: str, state: str, code: str = "") -> None:
        """Stop it, if it runs, in order to do something with it."""
        self.stop(state, code)
        self.then = then

    def weight(self) -> int:
        """What to compare to know which service holds most memory: its tasks and the values that
        wait for it, which is what the agent sees of that; then for how long it has run."""
        held = len(self.tasks)
        for one in self.lent:
            held += len(getattr(one, "queue", ()))
        return min(held, _MANY) << 19 | min(clock.ms() - self.began, _OLD_MS) >> 10

    def ended(self) -> bool:
        """Whether nothing of it is left that could run, or that it was lent.

        However a service ends, this is asked before anything else is done with it.
        """
        self.tasks = [task for task in self.tasks if not task.done()]
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
                elif hasattr(what.s, "close"):  # which a UART has not
                    what.s.close()
                self.lent.pop()
        except Exception:  # for want of memory: the next try does it, or a reset of the board
            return

    def stuck(self) -> bool:
        """Whether what was stopped and has not ended was stopped some seconds ago."""
        return clock.ms() - self.stopped_at > _STOP_MS

    def __str__(self) -> str:
        words = (self.name + " " + self.state, self.code, self.detail)
        return ": ".join([word for word in words if word])
