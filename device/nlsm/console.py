"""The node's console: lines on standard input, taken while the services run.

Only what begins with `~` is for the node; see `answers` for what it means. Base64 holds no control
character, so Ctrl-C still interrupts. The ports keep some 255 bytes of input and lose the rest:
so a line of `~` and its mark tells the sender each time that a piece was taken, and that there is
room again.
"""

import gc
import select
import sys

from sealcore import errors
from sealcore.compat import const

from . import memory, service

_LONGEST = const(10926)  # `~` and the base64 of the longest message
_AT_ONCE = const(512)  # bytes, then others have their turn
_MOST = const(128)  # bytes of what is wrong with a line
_PIECE = const(96)  # bytes, as triseal/site/console.py has it


def sweep() -> None:
    """Give memory back; where there is not even enough for that, something else comes first."""
    try:
        memory.free()
    except MemoryError:
        gc.collect()


class Console:
    """Standard input, read without waiting for it."""

    def __init__(self, node):
        self._node = node
        self._text = bytearray()
        self._whole = False
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def turn(self) -> bool:
        """Read what has come, up to a message's end; false once the other end is closed, which on a
        board it never is."""
        for _ in range(_AT_ONCE):
            if self._whole or not self._poll.poll(0):
                break
            octet = sys.stdin.buffer.read(1)
            if not octet:
                return False
            if octet not in b"\r\n":
                self._add(octet)
            elif self._text[:1] == b"~":
                self._whole = True
            else:
                self._text = bytearray()
        return True

    def _add(self, octet: bytes) -> None:
        if len(self._text) > _LONGEST:
            return
        try:
            self._text.extend(octet)
        except MemoryError:
            memory.relieve()
            self._text = bytearray()  # what is left of the line is none for the node then
            print("triseal: out-of-memory: a line is lost")
        if len(self._text) % _PIECE == 0 and self._text[:1] == b"~":
            print("\n~" + self._node.mark)

    def take(self) -> None:
        """Do what the message says that has been read, if one has.

        A check may follow from it, for which boards have just enough stack: so this is called from
        where little of that is in use, and hands on from here.
        """
        if not self._whole:
            return
        try:
            memory.load(memory.TALK)
            from . import answers

            signed, rest = answers.take(self._node, self._text)
            del answers
            self._text = None  # type: ignore[assignment] # its room is wanted
            if signed:  # what the site says the time is
                memory.free()
                self._node.set_time(signed)
            elif rest:
                from . import wire

                link = wire.admit(self._node, *rest)
                if link:
                    link.take(*rest)
        except errors.SealError as error:
            self._reject(error)
        except (MemoryError, OSError, RuntimeError) as error:  # of the heap, the flash, the stack
            memory.relieve()
            print("triseal: out-of-memory: %s" % error)
        self._text = bytearray()
        self._whole = False
        sweep()

    def _reject(self, error) -> None:
        print("triseal: %s: %s" % (error.code, service.plain(str(error), _MOST)))
        try:
            memory.load(memory.TALK)
            from . import answers

            answers.reject(self._node, error)
        except MemoryError:  # the sender has to ask again, then
            print("triseal: out-of-memory: no answer")
