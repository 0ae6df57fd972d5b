"""What differs between ports and boards: the only module that knows hardware.

Every function has a fallback, so that the agent also runs where there is no such hardware.
"""

import errno
import os
import time

try:
    import machine
except ImportError:  # a port without hardware
    machine = None

_EPOCH_2000 = 946684800
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


def unique_id() -> bytes:
    """What the maker of the chip gave it; empty if it tells nothing."""
    try:
        return bytes(machine.unique_id())
    except AttributeError:
        return b""


def clock() -> int:
    """Unix seconds by the port's own clock, which nobody vouches for; 0 if it was never set."""
    seconds = time.time()
    if time.gmtime(0)[0] == 2000:
        seconds += _EPOCH_2000
    return int(seconds)


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


def flash() -> tuple:
    """(octets, octets free) of the file system at the root; zeros if it does not tell."""
    try:
        found = os.statvfs("/")
    except (AttributeError, OSError):
        return 0, 0
    return found[1] * found[2], found[1] * found[4]


_watchdog = []


def watch(seconds: int) -> None:
    """Have the hardware reset the board unless `feed` is called every so many seconds.

    A started watchdog can't be stopped, not even by a soft reset.
    """
    try:
        _watchdog.append(machine.WDT(timeout=seconds * 1000))
    except AttributeError:  # the port has none
        pass


def feed() -> None:
    """Tell the watchdog that the agent's loop still runs."""
    for one in _watchdog:
        one.feed()
