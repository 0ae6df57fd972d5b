"""The flow control of a serial line: a port may keep only 255 bytes and lose the rest.

The node therefore acknowledges each piece of a line that it has taken (see `nlsm.console`), and
no more bytes are on the way than a port can keep.
"""

from __future__ import annotations

from collections import deque

PIECE = 96  # bytes, the same as in `nlsm.console`
_MOST_UNTAKEN = 2 * PIECE


class Outlet:
    """The lines that wait to be sent, and the part of the first line that may be sent now.

    Attributes:
        size: number of bytes that wait.
    """

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._sent = 0  # bytes of the first line that were sent
        self._taken = 0  # bytes of the first line that the node has acknowledged
        self._before = 0  # bytes of the line before that the node does not acknowledge
        self.size = 0

    def add(self, line: bytes) -> None:
        """Add a line.

        Args:
            line: the line, with a newline at its end.
        """
        self._lines.append(line)
        self.size += len(line)

    def clear(self) -> None:
        """Drop all lines. A line that was sent in part is ended by a newline."""
        cut = bool(self._sent)
        self._lines.clear()
        self._sent = self._taken = self._before = self.size = 0
        if cut:
            self.add(b"\n")

    def room(self) -> bytes:
        """Return the bytes that may be sent now, perhaps none."""
        if not self._lines:
            return b""
        line = self._lines[0]
        most = max(0, _MOST_UNTAKEN - self._before - (self._sent - self._taken))
        end = min(len(line), self._sent + most)
        if self._rest_waits(line, end):
            end = min(end, len(line) - 1)
        return line[self._sent : end]

    def left(self, count: int) -> None:
        """Note that bytes were sent.

        Args:
            count: number of bytes.
        """
        self._sent += count
        self.size -= count
        if self._lines and self._sent == len(self._lines[0]):
            self._before = self._sent - self._taken
            self._lines.popleft()
            self._sent = self._taken = 0

    def taken(self) -> None:
        """Note that the node has acknowledged another piece."""
        if self._taken + PIECE <= self._sent:
            self._taken += PIECE
            self._before = 0

    def _rest_waits(self, line: bytes, end: int) -> bool:
        """Hold back the end of a line until its pieces were taken, so that the next line fits."""
        return end == len(line) and (len(line) - 1) // PIECE * PIECE > self._taken
