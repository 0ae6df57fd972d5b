"""The pseudo-terminal whose other end is a virtual board's port."""

import contextlib
import os
import pty
import tty


class Terminal:
    """A raw pseudo-terminal that stays open when programs open and close its port.

    Attributes:
        master: this side's descriptor.
        port: the path of the other side.
        leash: the path of a second terminal to which nothing is written. An interpreter that opens
            it gets it as its controlling terminal (on Linux), so that it is hung up when this
            process ends in any way. Otherwise a board without a holder would go on with its flash.
    """

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        self._leash, self._leash_end = pty.openpty()
        # Kept open: else the port would hang up for the next user when its last user closes it.
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.port = os.ttyname(self._slave)
        self.leash = os.ttyname(self._leash_end)

    def read(self) -> bytes:
        """Return the input that was sent to the port; empty if there is none."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.master, 4096)
        return b""

    def write(self, data: bytes) -> int:
        """Send `data` to the program that has the port open.

        Returns:
            How many bytes were sent; fewer than given while nobody reads.
        """
        with contextlib.suppress(BlockingIOError):
            return os.write(self.master, data)
        return 0

    def close(self) -> None:
        """Close it: readers of the port see it vanish."""
        for fd in (self._slave, self.master, self._leash_end, self._leash):
            os.close(fd)
