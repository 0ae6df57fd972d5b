"""The end of network calls of one thread, made by another one."""

from __future__ import annotations

import socket
from contextlib import suppress


class Stop:
    """Ends calls from another thread: those that wait, and all later ones.

    Attributes:
        over: whether they have been ended.
    """

    def __init__(self) -> None:
        self.over = False
        self._open: list[socket.socket] = []  # second handles, which TLS does not take over

    def end(self) -> None:
        """End them. A look at the addresses of a host goes on for as long as the system lets it."""
        self.over = True
        for sock in self._open.copy():
            with suppress(OSError):  # it was closed meanwhile
                sock.shutdown(socket.SHUT_RDWR)

    def add(self, sock: socket.socket) -> socket.socket:
        """Add a connection, which is shut down at the end.

        Args:
            sock: the connection.

        Returns: what `remove` wants.
        """
        handle = sock.dup()
        self._open.append(handle)
        return handle

    def remove(self, handle: socket.socket) -> None:
        """Remove a connection that is closed; once more is no error.

        Args:
            handle: what `add` has returned.
        """
        with suppress(ValueError):
            self._open.remove(handle)
        handle.close()
