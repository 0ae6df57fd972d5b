"""What differs between ports and boards: the only module that knows hardware.

Every function has a fallback, so that the agent also runs where there is no such hardware.
"""

import errno
import os

try:
    import machine
except ImportError:  # a port without hardware
    machine = None

# Complete, and about to take the place of the file that it is named after.
COMPLETE = ".go"


def reset() -> None:
    """Start the whole board again."""
    try:
        machine.reset()
    except AttributeError:
        raise SystemExit


def pin(number: int):
    """A pin of the board; its user sets its direction."""
    return machine.Pin(number)


def replace(new: str, path: str) -> None:
    """Rename `new` to `path`, over a file that may be there.

    FAT renames over nothing: there the old one goes first, and what `new` is called meanwhile says
    that it is complete, for `recover`.
    """
    try:
        os.rename(new, path)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.EACCES):
            raise
        if new != path + COMPLETE:
            os.rename(new, path + COMPLETE)
        os.remove(path)
        os.rename(path + COMPLETE, path)


def sync(file) -> None:
    """Have what was written to an open file reach the flash."""
    file.flush()
    try:
        os.sync()
    except AttributeError:  # LittleFS and POSIX need no more
        pass


def watch(seconds: int):
    """Have the hardware reset the board unless the function that this returns is called every so
    many seconds; None where there is no such hardware.

    A started watchdog can't be stopped, not even by a soft reset.
    """
    try:
        return machine.WDT(timeout=seconds * 1000).feed
    except AttributeError:
        return None
