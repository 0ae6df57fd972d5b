"""Trusted time on a board that has none.

It is set by the site's signature over a nonce that the node has just drawn, moves on by the tick
counter, and never falls under the floor: the latest time that the site has signed. Whatever the
site signs with a time in it (a seal, a bundle, a certificate) moves it forward to that time:
counters differ, and the clock of the site may be set, so what has just come would else be of the
future. It moves back by the answer to a nonce only.

Before it is first set there is no time, and no service runs (policy `strict`). A site may allow a
`grace` of some seconds instead: time then moves on from the floor, until these seconds are over.
"""

import os
import time
from time import ticks_us

from sealcore import errors
from sealcore.compat import const, sha256

_NONCE_OCTETS = const(16)
# An answer that comes later is refused: the longer it takes, the less it says.
_ANSWER_MS = const(30000)


# What the counter showed at the last look, and how many ms had passed by then.
_looked = [0, 0]

# The clock of an installation over the USB line, and its question, between its calls.
if False:  # for mypy alone: it compiles to nothing
    of_line: "Clock | None"  # type: ignore[unreachable]
    asked_by_line: "Question | None"
of_line = asked_by_line = None


def ms() -> int:
    """Milliseconds that only count up, where the counter of the port comes round after some days:
    by the difference of two of its values alone, what was long ago looks recent. To be called every
    twelve days at least.
    """
    ticks = time.ticks_ms()
    _looked[1] += time.ticks_diff(ticks, _looked[0]) & time.ticks_add(0, -1)
    _looked[0] = ticks
    return _looked[1]


def draw(count: int) -> bytes:
    """Random bytes, 32 at most: other ones each time, also where those of the port repeat."""
    return sha256(os.urandom(32) + b"%d %d" % (ticks_us(), ms()))[:count]


class Clock:
    """The node's time.

    trusted    whether the site has set it since boot
    floor      Unix seconds; the time is never before it
    """

    def __init__(self, floor: int, grace: int = 0):
        """`floor` in Unix seconds; `grace` in seconds, 0 for none."""
        self.floor = floor
        self.trusted = False
        self._grace = grace
        self._seconds = floor
        self._at = ms()

    def now(self) -> int:
        """Unix seconds; raises NoTrustedTime."""
        seconds = (ms() - self._at) // 1000
        at = self._at + seconds * 1000
        self._seconds += seconds
        self._at = at  # last, and it wants no memory: no second is lost where that is short
        if not self.trusted:
            self._grace = max(0, self._grace - seconds)
            if not self._grace:
                raise errors.NoTrustedTime
        return self._seconds

    def known(self) -> int:
        """The same, as the site is told it: 0 where it has not told the time."""
        try:
            now = self.now()
        except errors.NoTrustedTime:
            return 0
        return now if self.trusted else 0

    def rise(self, seconds: int) -> None:
        """The site has signed this time: it is now, or was."""
        self.known()  # the seconds that have passed so far
        self.floor = max(self.floor, seconds)
        self._seconds = max(self._seconds, self.floor)

    def set(self, seconds: int, passed: int) -> None:
        """The site has signed this time, in some part of that second, up to `passed` ms ago.

        Taking the latest moment that this can mean, no seal lives longer than it should. Raises
        Rollback if it lies before the floor.
        """
        if seconds < self.floor:
            raise errors.Rollback("time %d, had %d" % (seconds, self.floor))
        self.floor = seconds
        latest = passed + 999  # ms after the begin of that second
        self._seconds = seconds + latest // 1000
        self._at = ms() - latest % 1000
        self.trusted = True


class Question:
    """What the site is asked to sign the time for. Each way to the site has its own.

    nonce    16 bytes
    """

    def __init__(self):
        self.nonce = draw(_NONCE_OCTETS)
        self._asked = ms()

    def answered(self) -> tuple:
        """(nonce, ms since it was drawn); it serves once. Raises BadMessage the second time, or if
        it was drawn long ago."""
        nonce, self.nonce = self.nonce, b""
        passed = ms() - self._asked
        if not nonce or passed > _ANSWER_MS:
            raise errors.BadMessage("time was not asked for just now")
        return nonce, passed
