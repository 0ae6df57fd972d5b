"""A flash that is a folder of the computer: simple to look into, no wear, no size of its own."""

import os

import vfs

_SAME = (
    "mount", "umount", "open", "stat", "statvfs", "mkdir", "rmdir", "remove", "chdir", "getcwd",
)  # fmt: skip

_host = vfs.VfsPosix()


class _Folder:
    # Not a subclass: MicroPython would import through the base and miss the instance.
    def __init__(self, root):
        self._root = root
        self._fs = fs = vfs.VfsPosix(root)
        for name in _SAME:
            setattr(self, name, getattr(fs, name))

    def ilistdir(self, path):
        # The native one leaves out the size, which the file systems of boards give.
        start = path.rstrip("/") + "/" if path else ""
        for name, kind, inode in self._fs.ilistdir(path):
            yield name, kind, inode, 0 if kind & 0x4000 else self._fs.stat(start + name)[6]

    def rename(self, old, new):
        # The native one builds both paths in one buffer, so that both become the new one.
        _host.rename(self._host_path(old), self._host_path(new))

    def _host_path(self, path):
        return self._root + path if path[0] == "/" else path


def open_flash(place):
    """The folder `place` as a mountable file system."""
    os.chdir(place)
    return _Folder(place)
