"""The pseudo-terminal whose other end is a virtual board's port."""

import contextlib
import os
import pty
import tty


class Terminal:
    """A raw pseudo-terminal that stays open whoever comes and goes on its port.

    Attributes:
        master: this side's descriptor.
        port: the path of the other side.
        leash: the path of a second terminal that nothing is written to. An interpreter that opens
            it gets it as its controlling terminal (on Linux), and is hung up when this process is
            gone, however that ended: else a board without a holder would go on with its flash.
    """

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        self._leash, self._leash_end = pty.openpty()
        # Kept open: a port that its last user closed would else hang up for the next one.
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.port = os.ttyname(self._slave)
        self.leash = os.ttyname(self._leash_end)

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
        for fd in (self._slave, self.master, self._leash_end, self._leash):
            os.close(fd)
