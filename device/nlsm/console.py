"""The node's console: reads lines from standard input while the services run.

The node handles only lines that begin with `~`; see `answers` for their meaning. Base64 contains no
control character, so Ctrl-C still interrupts. The ports buffer about 255 bytes of input and lose
any more. So after each 96 bytes the node prints a line of `~` and its mark, which tells the sender
that there is room again.
"""

import gc
import select
import sys

from sealcore import errors
from sealcore.compat import const

from . import memory, service

_LONGEST = const(10926)  # `~` and the base64 of the longest message
_AT_ONCE = const(512)  # bytes to read in one turn, before others have their turn
_MOST = const(128)  # bytes of an error text
_PIECE = const(96)  # bytes; triseal/site/console.py has the same number


def sweep() -> None:
    """Free memory. If memory is too short even for that, collect garbage only."""
    try:
        memory.free()
    except MemoryError:
        gc.collect()


class Console:
    """Reads standard input without waiting for it."""

    def __init__(self, node):
        self._node = node
        self._text = bytearray()
        self._whole = False
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def turn(self) -> bool:
        """Read the bytes that have arrived, up to the end of a message.

        Return False when the other end has closed the input, which never happens on a board.
        """
        for _ in range(_AT_ONCE):
            if self._whole or not self._poll.poll(0):
                break
            byte = sys.stdin.buffer.read(1)
            if not byte:
                return False
            if byte not in b"\r\n":
                self._add(byte)
            elif self._text[:1] == b"~":
                self._whole = True
            else:
                self._text = bytearray()
        return True

    def _add(self, byte: bytes) -> None:
        if len(self._text) > _LONGEST:
            return
        try:
            self._text.extend(byte)
        except MemoryError:
            memory.relieve()
            # The rest of the line no longer begins with `~`, so the node ignores it.
            self._text = bytearray()
            print("triseal: out-of-memory: a line is lost")
        if len(self._text) % _PIECE == 0 and self._text[:1] == b"~":
            print("\n~" + self._node.mark)

    def take(self) -> None:
        """Handle the message that was read, if it is complete.

        A check of seals may follow, which needs nearly the whole stack of a board. So this is
        called from a place with a shallow stack, and calls the handlers directly.
        """
        if not self._whole:
            return
        try:
            memory.load(memory.TALK)
            from . import answers

            signed, rest = answers.take(self._node, self._text)
            del answers
            self._text = None  # type: ignore[assignment] # the next steps need its memory
            if signed:  # the signed time of the site
                memory.free()
                self._node.set_time(signed)
            elif rest:
                from . import wire

                link = wire.admit(self._node, *rest)
                if link:
                    link.take(*rest)
        except errors.SealError as error:
            self._reject(error)
        except (MemoryError, OSError, RuntimeError) as error:  # of heap, flash or stack
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
        except MemoryError:  # then the sender has to ask again
            print("triseal: out-of-memory: no answer")
