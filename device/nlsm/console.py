"""The node's console: lines on standard input, taken while the services run.

Only what begins with `~` is for the node; see `answers` for what it means. Base64 holds no control
character, so Ctrl-C still interrupts.
"""

import asyncio
import select
import sys

from sealcore import errors
from sealcore.compat import const

from . import memory

_LONGEST = const(10926)  # `~` and the base64 of the longest message
_PAUSE_MS = const(50)
_AT_ONCE = const(512)  # octets, then the services have their turn


async def serve(node) -> None:
    """Answer until the other end is closed, which on a board it never is."""
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    stdin = sys.stdin.buffer
    text = bytearray()
    while True:
        for _ in range(_AT_ONCE):
            if not poll.poll(0):
                await asyncio.sleep_ms(_PAUSE_MS)
                break
            octet = stdin.read(1)
            if not octet:
                return
            if octet not in b"\r\n":
                if len(text) <= _LONGEST:
                    text.extend(octet)
                continue
            if text[:1] == b"~":
                _take(node, text)
            text = bytearray()
        await asyncio.sleep_ms(0)


def _take(node, text) -> None:
    from . import answers

    try:
        then = answers.take(node, text)
        if then:  # what the site says the time is
            del answers
            memory.free()
            node.set_time(then)
    except errors.SealError as error:
        print("triseal: %s: %s" % (error.code, error))
    except MemoryError as error:
        print("triseal: out-of-memory: %s" % error)
    memory.free()
