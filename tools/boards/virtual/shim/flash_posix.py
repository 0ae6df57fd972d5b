"""A flash that is a folder of the computer: easy to inspect, without wear or a size limit."""

import os

import utime
import vfs


class _Folder:
    # This is not a subclass: MicroPython's import would call the base class and not this object.
    def __init__(self, root, slow):
        self._root = root
        self._fs = vfs.VfsPosix(root)
        self._slow = slow

    def __getattr__(self, name):
        if name == "remove":
            utime.sleep_ms(self._slow)
        return getattr(self._fs, name)

    def open(self, path, mode):
        if mode[:1] != "r":
            utime.sleep_ms(self._slow)
        return self._fs.open(path, mode)

    def ilistdir(self, path):
        # The native method leaves out the size, which the file systems of boards give.
        start = path.rstrip("/") + "/" if path else ""
        for name, kind, inode in self._fs.ilistdir(path):
            yield name, kind, inode, 0 if kind & 0x4000 else self._fs.stat(start + name)[6]

    def rename(self, old, new):
        utime.sleep_ms(self._slow)
        # The native method builds both paths in one buffer, so that both become the new path.
        old, new = [self._root + path if path[0] == "/" else path for path in (old, new)]
        vfs.VfsPosix().rename(old, new)


def open_flash(place, slow=0):
    """Return the folder `place` as a mountable file system. Each file change takes `slow` ms."""
    os.chdir(place)
    return _Folder(place, slow)
