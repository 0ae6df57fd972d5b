"""Imports a service of several modules from its ROMFS image, without unpacking it.

If the port has `VfsRom` and enough memory, code runs in place from the image in memory. Otherwise
`Image` is a file system over the file, and each module is loaded when it is imported. Both find the
same modules, because `Image` has already refused every image that only one of them would accept.

The image is mounted during the import only, so no other code than the checked one can be imported.
An `import` in a function that runs later does not find the image.
"""

import gc
import io
import sys

import vfs

from sealcore.compat import const

from . import memory

_HEADER = b"\xd2\xcd\x31"
_DATA = const(2)
_FOLDER = const(4)
_FILE = const(5)
# extmod/vfs_rom.c knows more kinds of records. One of them can point anywhere in memory.
_PLACE = "/app"
_MOST = const(128)  # files and folders in one image
_DEEPEST = const(4)
_LONGEST = const(64)  # bytes in one name
_SPARE = const(32768)  # bytes of heap that must stay free beside an image in memory


class Image:
    """A ROMFS image over an open file, with the methods that `vfs.mount` and `import` call.

    entries    {path: (offset, size), or None for a folder}
    """

    def __init__(self, file):
        """Scan the whole image.

        Raises ValueError unless it is a valid ROMFS image within the limits.
        """
        self._file = file
        self.entries = {}
        size = file.seek(0, 2)
        file.seek(0)
        if file.read(3) != _HEADER:
            raise ValueError("romfs: header")
        length, at = self._number(3, size)
        if length != size - at:
            raise ValueError("romfs: size")
        folders = [("", at, size)]
        while folders:
            self._scan(folders, *folders.pop())

    def _scan(self, folders: list, folder: str, at: int, end: int) -> None:
        while at < end:
            kind, begin, at = self._record(at, end)
            name, begin = self._name(begin, at)
            path = folder + "/" + name
            if path in self.entries or len(self.entries) >= _MOST:
                raise ValueError("romfs: names")
            if kind == _FILE:
                self.entries[path] = self._data(begin, at)
            elif kind == _FOLDER and path.count("/") < _DEEPEST:
                self.entries[path] = None
                folders.append((path, begin, at))
            else:
                raise ValueError("romfs: kind %d" % kind)

    def _record(self, at: int, end: int) -> tuple:
        kind, at = self._number(at, end)
        size, at = self._number(at, end)
        if size > end - at:
            raise ValueError("romfs: size")
        return kind, at, at + size

    def _data(self, at: int, end: int) -> tuple:
        kind, begin, at = self._record(at, end)
        if kind != _DATA or at != end:
            raise ValueError("romfs: data")
        return begin, end - begin

    def _name(self, at: int, end: int) -> tuple:
        size, at = self._number(at, end)
        if not 0 < size <= min(_LONGEST, end - at):
            raise ValueError("romfs: name")
        self._file.seek(at)
        name = self._file.read(size).decode()
        if "/" in name or "\0" in name:
            raise ValueError("romfs: name")
        return name, at + size

    def _number(self, at: int, end: int) -> tuple:
        self._file.seek(at)
        value = 0
        for byte in self._file.read(min(5, end - at)):
            at += 1
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value, at
        raise ValueError("romfs: number")

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path: str) -> tuple:
        if path not in self.entries:
            raise OSError(2)
        found = self.entries[path]
        return (0x8000 if found else 0x4000, 0, 0, 0, 0, 0, found[1] if found else 0, 0, 0, 0)

    def open(self, path: str, _mode: str):
        if not self.entries.get(path):
            raise OSError(2)
        return _Part(self._file, *self.entries[path])


class _Part(io.IOBase):
    # Presents a part of an open file as a file of its own.
    def __init__(self, file, begin: int, size: int):
        self._file = file
        self._at = begin
        self._end = begin + size

    def readinto(self, buffer) -> int:
        count = min(len(buffer), self._end - self._at)
        self._file.seek(self._at)
        count = self._file.readinto(memoryview(buffer)[:count])
        self._at += count
        return count

    def ioctl(self, _request, _argument) -> int:
        return 0


def load(path: str):
    """Import an image that was checked just before: its module `main`, or `app` if it has no
    `main`.

    Raises: ValueError if the file is not a valid image; any exception of the service's own code.
    """
    with open(path, "rb") as file:
        image = Image(file)
        vfs.mount(_native(file) or image, _PLACE)
        try:
            return _import(image.entries)
        finally:
            vfs.umount(_PLACE)


def _native(file):
    # The port's own file system over a copy of the image in memory. None if the port has no VfsRom,
    # or if memory is too short.
    size = file.seek(0, 2)
    file.seek(0)
    gc.collect()
    if not hasattr(vfs, "VfsRom") or gc.mem_free() < 2 * size + _SPARE:
        return None
    return vfs.VfsRom(memory.hold(file.read(size)))


def _import(entries):
    own = {path.split("/")[1].split(".")[0] for path in entries}
    others = {}
    for name in list(sys.modules):
        if name.split(".")[0] in own:
            others[name] = sys.modules.pop(name)
    sys.path.insert(0, _PLACE)
    try:
        return __import__("main" if "/main.mpy" in entries else "app")
    finally:
        sys.path.pop(0)
        # Remove the modules of the service: services share no modules, and each may have its own
        # `util`.
        for name in list(sys.modules):
            if name.split(".")[0] in own:
                del sys.modules[name]
        sys.modules.update(others)
