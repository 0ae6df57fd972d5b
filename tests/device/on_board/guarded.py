"""What guards the trial of an agent or a firmware, on boards with different hardware."""

import json
import os
import sys

import vfs

sys.path[:] = [place for place in sys.path if place]  # as `main.py` does
import slots  # noqa: E402
from nlsm import (  # noqa: E402
    board,  # noqa: F401 - loaded late, when the flash is in the way
    swap,  # noqa: F401 - the rows call it
)


class Disk:
    """A flash in memory."""

    def __init__(self):
        self.data = bytearray(64 * 512)

    def readblocks(self, block, buffer, at=0):
        begin = block * 512 + at
        buffer[:] = self.data[begin : begin + len(buffer)]

    def writeblocks(self, block, buffer, at=0):
        begin = block * 512 + at
        self.data[begin : begin + len(buffer)] = buffer

    def ioctl(self, request, _):
        return {4: 64, 5: 512}.get(request, 0)


class Machine:
    """The hardware of an RP2040: its watchdog waits for 8 s at most, and it has timers. There, a
    plain reset looks like one by the watchdog."""

    WDT_RESET = 3
    longest = 8388
    resets = 0

    @staticmethod
    def reset_cause():
        return Machine.WDT_RESET

    @staticmethod
    def reset():
        Machine.resets += 1

    class WDT:
        """A watchdog that counts how often it is fed."""

        fed = 0

        def __init__(self, timeout):
            if timeout > Machine.longest:
                raise ValueError
            print("watchdog of", timeout)

        def feed(self):
            Machine.WDT.fed += 1

    class Timer:
        """A timer that a test lets go off."""

        inits = 0

        def __init__(self, number):
            if number != -1:
                raise ValueError

        def init(self, period, callback):
            Machine.Timer.inits += 1
            if Machine.Timer.inits == 1:
                print("timer of", period)
            Machine.goes_off = callback


slots.machine = Machine
disk = Disk()
vfs.VfsLfs2.mkfs(disk)
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(disk), "/")
for folder in ("/triseal", "/agent", "/lib", "/lib/nlsm"):
    os.mkdir(folder)


def put(path, value):
    """Write a JSON file."""
    with open(path, "w") as file:
        json.dump(value, file)


def trial(starts=3, **more):
    """The state with an agent on trial."""
    state = {"slot": "", "trial": "a", "starts": starts, "why": "", "a": ["x", "", "1", 1]}
    state.update(more)
    put("/agent/state", state)


def start():
    """As `main.py` does; what the state says then."""
    slots.feed = None
    slots.begin()
    state = slots.read()
    keys = ("trial", "starts", "why", "dog") if "trial" in state else ("fell", "why")
    print(*["%s=%s" % (key, state[key]) for key in keys if key in state])
