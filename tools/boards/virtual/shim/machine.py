"""The part of a board's `machine` that the unix port lacks: resets, identity, pins, a watchdog.

On a board this is firmware and takes no heap. Here it takes heap, so it is written to be small, and
parts that not every program uses are loaded at their first use.
"""

import os
import sys

import vfs
from umachine import *  # noqa: F403

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
SOFT_RESET = 5


def configure(identity, cause, folder, late):
    """Set the facts that real hardware would know. Called once before boot.py.

    Args:
        identity: the board's unique id in hexadecimal.
        cause: cause of the last reset.
        folder: the folder of the modules that are loaded at their first use.
        late: {name: arguments} for each of these modules: for `Pin` the folder of the pins; for
            `WDT` the descriptor of the watchdog and its longest time in ms.
    """
    # Globals take less memory than an object for them.
    global unique_id, reset_cause, _folder, _late  # noqa: PLW0603
    identity = bytes.fromhex(identity)
    unique_id = lambda: identity  # noqa: E731
    reset_cause = lambda: cause  # noqa: E731
    _late = late
    _folder = folder


def __getattr__(name):
    # This module's own folder cannot be reached: the board's flash is mounted in its place.
    if name not in _late:
        raise AttributeError(name)
    vfs.mount(vfs.VfsPosix(_folder), "/machine")
    sys.path.insert(0, "/machine")
    try:
        found = globals()[name] = __import__("machine_" + name.lower()).make(*_late[name])
    finally:
        sys.path.pop(0)
        vfs.umount("/machine")
    return found


def reset():
    """Restart like the reset button: at once, without cleaning up."""
    os.system("kill -KILL $PPID")  # noqa: S605 - the port has no kill


def soft_reset():
    """Leave Python and start it again."""
    sys.exit()
