"""Trusted time on a board that has no clock of its own.

The node draws a nonce, the site signs the time together with it, and this sets the clock. From then
on the tick counter moves the clock. The time never falls below the floor, which is the latest time
that the site has signed. Every signed object that carries a time (a seal, a bundle, a certificate)
moves a slow clock forward to that time. Tick counters differ and the site's own clock may be
corrected: without this step, an object that has just arrived could lie in the future. Only the
answer to a nonce can move the clock back.

Before the clock is first set there is no time, and no service runs (policy `strict`). A site may
allow a `grace` of some seconds instead: then the time starts at the floor and runs for that long.
"""

import os
import time
from time import ticks_us

from sealcore import errors
from sealcore.compat import const, sha256

_NONCE_OCTETS = const(16)
# The node refuses an answer that comes later: the longer it takes, the less exact it is.
_ANSWER_MS = const(30000)


# The value of the tick counter at the last call of ms(), and the milliseconds that had passed by
# then.
_looked = [0, 0]

# The clock and the question of an installation over the USB line. They live here between its calls.
if False:  # for mypy alone: it compiles to nothing
    of_line: "Clock | None"  # type: ignore[unreachable]
    asked_by_line: "Question | None"
of_line = asked_by_line = None


def ms() -> int:
    """Return milliseconds that only increase, although the tick counter of the port wraps after
    some days.

    The difference of two raw counter values is not enough: it would make a moment long ago look
    recent. Call this at least every twelve days, or a wrap is missed.
    """
    ticks = time.ticks_ms()
    _looked[1] += time.ticks_diff(ticks, _looked[0]) & time.ticks_add(0, -1)
    _looked[0] = ticks
    return _looked[1]


def draw(count: int) -> bytes:
    """Return up to 32 random bytes.

    They differ on each call, even where the port's own bytes repeat.
    """
    return sha256(os.urandom(32) + b"%d %d" % (ticks_us(), ms()))[:count]


class Clock:
    """The node's time.

    trusted    whether the site has set the time since boot
    floor      Unix seconds; the time is never before this
    """

    def __init__(self, floor: int, grace: int = 0):
        """Start at `floor` (Unix seconds), with a grace of `grace` seconds (0 for none)."""
        self.floor = floor
        self.trusted = False
        self._grace = grace
        self._seconds = floor
        self._at = ms()

    def now(self) -> int:
        """Return the time in Unix seconds. Raises NoTrustedTime."""
        seconds = (ms() - self._at) // 1000
        at = self._at + seconds * 1000
        self._seconds += seconds
        # This comes last and allocates nothing, so that no second is lost when memory is short.
        self._at = at
        if not self.trusted:
            self._grace = max(0, self._grace - seconds)
            if not self._grace:
                raise errors.NoTrustedTime
        return self._seconds

    def known(self) -> int:
        """Return the time for a message to the site: Unix seconds, or 0 if the site has not set the
        clock.
        """
        try:
            now = self.now()
        except errors.NoTrustedTime:
            return 0
        return now if self.trusted else 0

    def rise(self, seconds: int) -> None:
        """Move the clock and the floor up to a time that the site has signed: it is now or in the
        past.
        """
        self.known()  # adds the seconds that have passed so far
        self.floor = max(self.floor, seconds)
        self._seconds = max(self._seconds, self.floor)

    def set(self, seconds: int, passed: int) -> None:
        """Set the clock to a time that the site has signed.

        The signature was made at some moment within that second, and at most `passed` ms ago. The
        clock takes the latest possible moment, so that no seal lives longer than it should. Raises
        Rollback if the time lies before the floor.
        """
        if seconds < self.floor:
            raise errors.Rollback("time %d, had %d" % (seconds, self.floor))
        self.floor = seconds
        latest = passed + 999  # ms after the start of that second
        self._seconds = seconds + latest // 1000
        self._at = ms() - latest % 1000
        self.trusted = True


class Question:
    """A request for the signed time. Each way to the site (network and console) has its own.

    nonce    16 bytes
    """

    def __init__(self):
        self.nonce = draw(_NONCE_OCTETS)
        self._asked = ms()

    def answered(self) -> tuple:
        """Return (nonce, ms since it was drawn), and use the nonce up.

        Raises BadMessage on a second call, or if the nonce was drawn more than 30 s ago.
        """
        nonce, self.nonce = self.nonce, b""
        passed = ms() - self._asked
        if not nonce or passed > _ANSWER_MS:
            raise errors.BadMessage("time was not asked for just now")
        return nonce, passed
