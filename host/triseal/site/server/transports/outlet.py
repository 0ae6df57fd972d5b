"""What goes out over a serial line, in pieces: a port may keep some 255 octets and lose the rest.

So the node tells of every piece of a message's line that it has taken (see `nlsm.console`), and
no more is on the way than a port keeps.
"""

from __future__ import annotations

from collections import deque

PIECE = 96  # octets, as `nlsm.console` has it
_MOST_UNTAKEN = 2 * PIECE


class Outlet:
    """Lines that wait, and how much of the first one may leave."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._sent = 0  # octets of the first line
        self._taken = 0  # of them, by the node's word
        self._before = 0  # octets of the line before, of which the node says nothing
        self.size = 0

    def add(self, line: bytes) -> None:
        """A whole line, with a newline at its end."""
        self._lines.append(line)
        self.size += len(line)

    def clear(self) -> None:
        """Forget all that waits; what has begun is ended by a newline."""
        cut = bool(self._sent)
        self._lines.clear()
        self._sent = self._taken = self._before = self.size = 0
        if cut:
            self.add(b"\n")

    def room(self) -> bytes:
        """What may leave now, perhaps nothing."""
        if not self._lines:
            return b""
        line = self._lines[0]
        most = max(0, _MOST_UNTAKEN - self._before - (self._sent - self._taken))
        end = min(len(line), self._sent + most)
        if self._rest_waits(line, end):
            end = min(end, len(line) - 1)
        return line[self._sent : end]

    def left(self, octets: int) -> None:
        """So many of them have left."""
        self._sent += octets
        self.size -= octets
        if self._lines and self._sent == len(self._lines[0]):
            self._before = self._sent - self._taken
            self._lines.popleft()
            self._sent = self._taken = 0

    def taken(self) -> None:
        """The node has taken another piece."""
        if self._taken + PIECE <= self._sent:
            self._taken += PIECE
            self._before = 0

    def _rest_waits(self, line: bytes, end: int) -> bool:
        """A line ends when all of its pieces were taken: so the next one finds room."""
        return end == len(line) and (len(line) - 1) // PIECE * PIECE > self._taken
