"""A flash that is a LittleFS image in a file, with the format, size and limits of a real board."""

import utime
import vfs

_BLOCK = 4096


class FileDevice:
    """A block device over the file of an image."""

    def __init__(self, path, slow):
        self._file = open(path, "r+b")  # noqa: SIM115 - open as long as the board runs
        self._slow = slow
        self._blocks = self._file.seek(0, 2) // _BLOCK

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        utime.sleep_ms(self._slow)
        self._file.seek(block * _BLOCK + offset)
        self._file.write(buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._blocks
        if operation == 5:
            return _BLOCK
        if operation == 6:
            utime.sleep_ms(self._slow)
        return 0


def _is_blank(device):
    buffer = bytearray(64)
    for block in (0, 1):
        device.readblocks(block, buffer)
        if any(buffer):
            return False
    return True


def open_flash(place, slow):
    """Return the LittleFS in the image `place`.

    A blank image is formatted first, but a damaged one never is. Each write and each erasure takes
    `slow` ms.
    """
    device = FileDevice(place, slow)
    if _is_blank(device):
        vfs.VfsLfs2.mkfs(device)
    return vfs.VfsLfs2(device)
