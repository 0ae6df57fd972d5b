"""Trusted time on a board that has none.

It is set by the site's signature over a nonce that the node has just drawn, moves on by the tick
counter, and never falls under the floor: the latest time that somebody trusted has signed.

Before it is first set there is no time, and no service runs (policy `strict`). A site may allow a
`grace` of some seconds instead: time then moves on from the floor, until these seconds are over.
"""

import os
import time

from sealcore import errors
from sealcore.compat import const

_NONCE_OCTETS = const(16)
# An answer that comes later is refused: the longer it takes, the less it says.
_ANSWER_MS = const(30000)


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
        self._nonce = None
        self._asked = 0
        self._seconds = floor
        self._ticks = time.ticks_ms()

    def now(self) -> int:
        """Unix seconds; raises NoTrustedTime.

        To be called every few days at least: tick counters wrap.
        """
        passed = time.ticks_diff(time.ticks_ms(), self._ticks)
        if passed < 0:  # it was not called for too long
            self.trusted = False
            self._grace = 0
            passed = 0
        seconds = passed // 1000
        self._ticks = time.ticks_add(self._ticks, seconds * 1000)
        self._seconds += seconds
        if not self.trusted:
            self._grace = max(0, self._grace - seconds)
            if not self._grace:
                raise errors.NoTrustedTime
        return max(self._seconds, self.floor)

    def raise_floor(self, seconds: int) -> None:
        """Somebody trusted has signed this time: it is now, or was."""
        self.floor = max(self.floor, seconds)

    def ask(self) -> bytes:
        """A fresh nonce for the site to sign; the one before is void."""
        self._nonce = os.urandom(_NONCE_OCTETS)
        self._asked = time.ticks_ms()
        return self._nonce

    def answer(self, der, trust) -> None:
        """Set the time.

        Args:
            der: signed time for the nonce that was asked last.
            trust: the node's TrustBundle.

        Raises: Rollback if it lies before the floor, BadMessage if it comes unasked or late, and
            what signedtime.read raises.
        """
        from sealcore import signedtime

        nonce, self._nonce = self._nonce, None
        passed = time.ticks_diff(time.ticks_ms(), self._asked)
        if nonce is None or not 0 <= passed <= _ANSWER_MS:
            raise errors.BadMessage("time was not asked for just now")
        said = signedtime.read(der, trust.site_keys, trust.site, nonce)
        if said < self.floor:
            raise errors.Rollback("time %d, had %d" % (said, self.floor))
        self.floor = said
        # The site signed after the question, in some part of the second that it named. Taking the
        # latest moment that this can mean, no seal lives longer than it should.
        self._seconds = said + (passed + 999) // 1000
        self._ticks = time.ticks_ms()
        self.trusted = True
