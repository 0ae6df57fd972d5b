"""The node's console: lines on standard input, taken while the services run.

Only what begins with `~` is for the node; see `answers` for what it means. Base64 holds no control
character, so Ctrl-C still interrupts. The ports keep some 255 octets of input and lose the rest:
so a line `~` tells the sender each time that a piece was taken, and that there is room again.
"""

import select
import sys

from sealcore import errors
from sealcore.compat import const

from . import memory

_LONGEST = const(10926)  # `~` and the base64 of the longest message
_AT_ONCE = const(512)  # octets, then others have their turn
_PIECE = const(96)  # octets, as triseal/site/console.py has it


class Console:
    """Standard input, read without waiting for it."""

    def __init__(self, node):
        self._node = node
        self._text = bytearray()
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def turn(self) -> bool:
        """Take what has come; false once the other end is closed, which on a board it never is."""
        for _ in range(_AT_ONCE):
            if not self._poll.poll(0):
                break
            octet = sys.stdin.buffer.read(1)
            if not octet:
                return False
            if octet not in b"\r\n":
                self._add(octet)
                continue
            message = self._text[:1] == b"~"
            if message:
                self._take()
            self._text = bytearray()
            if message:  # one at a time: what follows from it comes first
                break
        return True

    def _add(self, octet: bytes) -> None:
        if len(self._text) <= _LONGEST:
            self._text.extend(octet)
            if len(self._text) % _PIECE == 0 and self._text[:1] == b"~":
                print("\n~")

    def _take(self) -> None:
        try:
            memory.load(memory.TALK)
            from . import answers

            then = answers.take(self._node, self._text)
            del answers
            self._text = None  # its room is wanted
            memory.free()
            if then:  # what the site says the time is
                self._node.set_time(then)
        except errors.SealError as error:
            print("triseal: %s: %s" % (error.code, error))
        except MemoryError as error:
            print("triseal: out-of-memory: %s" % error)
        memory.free()
