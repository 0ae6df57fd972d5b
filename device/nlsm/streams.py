"""Records the streams that a service opens with asyncio, so that they are closed when it ends.

Only the newest streams are recorded; the garbage collector closes older ones that are not in use.
"""

import asyncio
import sys

from sealcore.compat import const

from . import guard

_MOST = const(4)  # streams that are recorded for one service


def begin() -> None:
    """Start recording. Call this before a service is imported."""
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
