"""Streams that services open with asyncio: closed when the service ends.

Only the newest are held: what a service has lost sight of before, the collector closes.
"""

import asyncio
import sys

from sealcore.compat import const

from . import guard

_MOST = const(4)  # of one service


def begin() -> None:
    """From now on; before a service is imported."""
    streams = asyncio.StreamReader
    real = streams.__init__

    def init(self, stream, extra=None):
        one = guard.owner()
        if one:
            if stream in (sys.stdin, sys.stdin.buffer):
                raise OSError("the console is the node's")
            held = [lent for lent in one.lent if type(lent) is streams]
            if len(held) == _MOST:
                one.lent.remove(held[0])
            one.lend(self)
        real(self, stream, extra or {})

    streams.__init__ = init  # type: ignore[method-assign] # for services
