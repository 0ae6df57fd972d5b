"""The way into a virtual board: input of its port, on its way to the interpreter."""

import contextlib
import os
from collections.abc import Callable

_CTRL_C = 3
_MAX_WAITING = 65536


class Inlet:
    """A pipe that outlives the interpreters which read it, and the input that waits before it.

    It is the receive buffer of a virtual board: it survives a soft reset. After a hard reset it
    keeps the input that follows the last unread Ctrl-C, because a person who connects just then has
    sent both, would send neither again, and would wait forever.

    Attributes:
        read_end: descriptor that interpreters have as their standard input.
        fd: descriptor to watch for room.
    """

    def __init__(self) -> None:
        self.read_end, self.fd = os.pipe()
        # Only the writing end: the interpreter shares the mode of the other one.
        os.set_blocking(self.fd, False)
        self._data = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether input waits for room."""
        return bool(self._data)

    @property
    def full(self) -> bool:
        """Whether no more input should be taken from the port for now."""
        return len(self._data) >= _MAX_WAITING

    def take(self, data: bytes, interrupt: Callable[[], bool]) -> None:
        """Add input that came from the port.

        Args:
            data: the bytes.
            interrupt: called for each Ctrl-C; returns false if it is a plain byte just now.
        """
        for byte in data:
            if byte != _CTRL_C or not interrupt():
                self._data.append(byte)

    def flush(self) -> None:
        """Hand over as much as possible."""
        with contextlib.suppress(BlockingIOError):
            del self._data[: os.write(self.fd, self._data)]

    def keep_all(self, first: bytes) -> bool:
        """Between two interpreters: put `first` before everything that the last one left unread.

        Returns:
            Whether a Ctrl-C is in it.
        """
        self._data[:0] = self._unread()
        interrupted = _CTRL_C in self._data
        self._data[:0] = first
        return interrupted

    def keep_latest(self) -> bool:
        """Between two interpreters: keep what follows the last unread Ctrl-C.

        Returns:
            Whether there is one; if not, all input is discarded.
        """
        interrupted = self.keep_all(b"")
        del self._data[: self._data.rfind(_CTRL_C) + 1 if interrupted else len(self._data)]
        return interrupted

    def empty(self) -> None:
        """Discard all input, as a board without power does."""
        self._data.clear()
        self._unread()

    def close(self) -> None:
        """Close both ends."""
        os.close(self.read_end)
        os.close(self.fd)

    def _unread(self) -> bytes:
        os.set_blocking(self.read_end, False)
        try:
            return os.read(self.read_end, 2 * _MAX_WAITING)
        except BlockingIOError:
            return b""
        finally:
            os.set_blocking(self.read_end, True)
