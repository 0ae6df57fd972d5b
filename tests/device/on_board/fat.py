"""A FAT in memory whose power goes after any number of writes."""

import os

import vfs

from nlsm import board, floors, keystore, recovery  # noqa: F401 - while they can be read


class Flash:
    """A block device that does `left` more writes and no other."""

    left = 1 << 30

    def __init__(self, data):
        self.data = bytearray(data)

    def readblocks(self, block, buffer):
        buffer[:] = memoryview(self.data)[block * 512 : block * 512 + len(buffer)]

    def writeblocks(self, block, buffer):
        self.left -= 1
        if self.left >= 0:
            self.data[block * 512 : block * 512 + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        return {4: len(self.data) // 512, 5: 512}.get(operation, 0)


def mount(data):
    """Start with this on the flash."""
    flash = Flash(data)
    vfs.umount("/")
    vfs.mount(vfs.VfsFat(flash), "/")
    return flash


def cuts(change):
    """Cut a change after each of its writes, and print what the files are after a restart."""
    writes = 0
    while True:
        flash = mount(start)
        flash.left = writes
        try:
            change()
        except OSError:  # it finds that something is not there
            pass
        done = flash.left >= 0
        mount(flash.data)
        recovery.recover()
        recovery.remove(keystore.INCOMING)
        for path in FILES:
            print(keystore.read(path).decode().strip() or "none", end=" ")
        print(len(os.listdir("/triseal")), done)
        if done:
            return
        writes += 1


FILES = "/triseal/floors", "/triseal/services/x/site.der"
blank = Flash(bytes(128 * 512))
vfs.VfsFat.mkfs(blank)
flash = mount(blank.data)
for folder in ("/triseal", "/triseal/services", "/triseal/services/x", "/triseal/incoming"):
    os.mkdir(folder)
for path in FILES:
    keystore.write(path, b"old")
start = bytes(flash.data)
