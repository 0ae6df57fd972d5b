"""A flash in memory whose power goes at any operation; what it wrote so far stays, also in part."""

BLOCK = 4096
PROGRAM = 32  # bytes that the port writes at once

_ERASED = b"\xff" * BLOCK

BEFORE, TORN, AFTER = range(3)
WORDS = ("before", "during", "after")
_LAST = 3


class PowerCut(BaseException):
    """The power is gone; nothing that ran goes on."""


class Flash:
    """A block device as `vfs.VfsLfs2` wants it.

    data      what is on it
    count     writes and erases so far
    erases    erases so far, by block
    dead      whether the power is gone
    """

    def __init__(self, data):
        self.data = bytearray(data)
        self._view = memoryview(self.data)  # it is read millions of times: kept, not made each time
        self.count = 0
        self.erases = [0] * (len(data) // BLOCK)
        self._cut_at = -1
        self._how = BEFORE
        self.dead = False

    def cut(self, at: int, how: int) -> None:
        """Have the power go at the `at`th write or erase from now on, counted from 0."""
        self._cut_at = self.count + at
        self._how = how

    def readblocks(self, block, buffer, offset=0):
        if self.dead:
            return
        at = block * BLOCK + offset
        buffer[:] = self._view[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        self._change(block * BLOCK + offset, buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.data) // BLOCK
        if operation == 5:
            return BLOCK
        if operation == 6:
            self._change(argument * BLOCK, _ERASED)
            self.erases[argument] += 1
        return 0

    def _change(self, at, new):
        # What still tries, like the end of a `with`, changes nothing any more.
        if self.dead:
            return
        size = len(new)
        if self.count == self._cut_at:
            self.dead = True
            size = (0, size // 2, size)[self._how]
        self.count += 1
        self.data[at : at + size] = memoryview(new)[:size]
        if self.dead:
            raise PowerCut


def cuts(mount, start, change, step: int):
    """Make a change again and again, each time with a power cut at another operation of the flash.

    Args:
        mount: makes a Flash of its argument, mounts it, and returns it.
        start: what is on the flash before the change.
        change: makes it.
        step: only each so many operations, and the last three.

    Yields: (where the power was cut, how, the Flash as it was left).
    """
    device = mount(start)
    change()
    count = device.count
    for at in range(count):
        if at % step and at < count - _LAST:
            continue
        for how in (BEFORE, TORN, AFTER):
            device = mount(start)
            device.cut(at, how)
            try:
                change()
            except BaseException:  # a file that is closed on the way out may have its own error
                if not device.dead:
                    raise
            yield "cut %s operation %d of %d" % (WORDS[how], at, count), how, device


def formatted(blocks: int, kind=Flash):
    """Return what is on a Flash that was just formatted.

    Args:
        blocks: its size.
        kind: its class.
    """
    import vfs

    device = kind(b"\xff" * (blocks * BLOCK))
    vfs.VfsLfs2.mkfs(device, progsize=PROGRAM, readsize=PROGRAM)
    return device.data
