"""The pseudo-terminal whose other end is a virtual board's port."""

import contextlib
import os
import pty
import tty


class Terminal:
    """A raw pseudo-terminal that stays open whoever comes and goes on its port."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        # Kept open: a port that its last user closed would else hang up for the next one.
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.port = os.ttyname(self._slave)

    def read(self) -> bytes:
        """What was sent to the port; empty if nothing waits."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.master, 4096)
        return b""

    def write(self, data: bytes) -> int:
        """Send to whoever listens on the port.

        Returns:
            How many octets went; fewer than given while nobody reads.
        """
        with contextlib.suppress(BlockingIOError):
            return os.write(self.master, data)
        return 0

    def close(self) -> None:
        """End it: readers of the port see it vanish."""
        os.close(self._slave)
        os.close(self.master)
