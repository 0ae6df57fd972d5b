"""One process at a time: a lock on a file that ends with the processes that hold it."""

import fcntl
import os
import time
from pathlib import Path

from boards import state_folder
from boards.errors import AlreadyRunning

_PATIENCE = 0.5  # seconds: a holder that was killed needs a moment to end
_STEP = 0.02


class Lock:
    """An advisory lock on a file, held also by the processes that inherit its descriptor."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The file descriptors that a child process must inherit to hold the lock as well."""
        return () if self._fd is None else (self._fd,)

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            AlreadyRunning: another process holds it; the detail names this process.
        """
        state_folder.make(self._path.parent)  # the flash of a board holds the key of a node
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _PATIENCE
        while not _try_lock(fd, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                pids = os.pread(fd, 64, 0).decode().strip()
                os.close(fd)
                raise AlreadyRunning(f"{self._path.parent.name} is run by process {pids}")
            time.sleep(_STEP)
        self._fd = fd

    def note(self, text: str) -> None:
        """Write `text` into the file, which `acquire` of another process shows."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text.encode(), 0)

    def release(self) -> None:
        """Release the lock; does nothing if it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_held(path: Path) -> bool:
    """Say whether a process holds the lock on the file `path`."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
