"""A board's `esp32`: `Partition` over the files of two app partitions and of the boot loader.

It behaves as MicroPython's on an ESP32 with ESP-IDF's rollback: flash is erased in blocks, a write
only clears bits, `set_boot` refuses what is no image, and an image that was set to boot runs once
until it is marked as valid. The boot loader itself is `boards.virtual.partitions`.
"""

import binascii
import struct

import vfs

_BLOCK = 4096
_ENTRY = "<I20sII"
_NEW = 0
_PENDING = 1
_VALID = 2
_NO_IMAGE = -5379  # ESP_ERR_OTA_VALIDATE_FAILED


def configure(folder, number, size):
    """Set which partition runs. Called once before boot.py.

    Args:
        folder: the folder of the partitions.
        number: of the partition that runs.
        size: bytes of each.
    """
    global _files, _running, _size  # noqa: PLW0603 - smaller than an object
    _files = vfs.VfsPosix(folder)
    _running = number
    _size = size


def read(name, at, buffer):
    """Read from a partition."""
    with _files.open("/" + name, "rb") as file:
        file.seek(at)
        file.readinto(buffer)


def write(name, at, data):
    """Change a partition: every change of the flash is one call of this function."""
    with _files.open("/" + name, "r+b") as file:
        file.seek(at)
        file.write(data)


def _entries():
    # Sequence number, 0 if there is none, and state of both entries.
    found = []
    buffer = bytearray(struct.calcsize(_ENTRY))
    for at in (0, _BLOCK):
        read("otadata", at, buffer)
        number, _, state, crc = struct.unpack(_ENTRY, buffer)
        good = crc == binascii.crc32(buffer[:4], 0xFFFFFFFF) and number != 0xFFFFFFFF
        found.append((number if good and state not in (3, 4) else 0, state))
    return found


def _note(entry, number, state):
    # Replace an entry: erase its block, then write it.
    at = entry * _BLOCK
    crc = binascii.crc32(struct.pack("<I", number), 0xFFFFFFFF)
    write("otadata", at, b"\xff" * _BLOCK)
    write("otadata", at, struct.pack(_ENTRY, number, b"\xff" * 20, state, crc))


class Partition:
    """An app partition."""

    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, which):
        if which == self.RUNNING:
            self._number = _running
        elif which == self.BOOT:
            newest = max(_entries())[0]
            self._number = (newest - 1) % 2 if newest else 0
        else:
            if which not in ("ota_0", "ota_1"):
                raise OSError(2)
            self._number = int(which[4])

    def info(self):
        number = self._number
        return (0, 16 + number, 0x10000 + number * _size, _size, "ota_%d" % number, False)

    def _check(self, at, size):
        if at < 0 or at + size > _size:
            raise OSError(-260)  # ESP_ERR_INVALID_SIZE

    def _erase(self, block, count):
        self._check(block * _BLOCK, count * _BLOCK)
        for one in range(block, block + count):
            write("ota_%d" % self._number, one * _BLOCK, b"\xff" * _BLOCK)

    def readblocks(self, block, buffer, offset=0):
        self._check(block * _BLOCK + offset, len(buffer))
        read("ota_%d" % self._number, block * _BLOCK + offset, buffer)

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            if len(buffer) % _BLOCK:
                raise OSError(-260)
            self._erase(block, len(buffer) // _BLOCK)
        at = block * _BLOCK + (offset or 0)
        self._check(at, len(buffer))
        before = bytearray(len(buffer))
        read("ota_%d" % self._number, at, before)
        if bytes(before).count(b"\xff") < len(before):
            for i, byte in enumerate(buffer):
                before[i] &= byte
            buffer = before
        write("ota_%d" % self._number, at, buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return _size // _BLOCK
        if operation == 5:
            return _BLOCK
        if operation == 6:
            self._erase(argument, 1)
        return 0

    def set_boot(self):
        head = bytearray(4)
        read("ota_%d" % self._number, 0, head)
        if head != b"\x7fELF":
            raise OSError(_NO_IMAGE)
        entries = _entries()
        newest = max(entries)[0]
        if not newest:
            _note(0, self._number + 1, _NEW)
            return
        number = self._number + 1
        while number < newest:
            number += 2
        _note(1 - entries.index(max(entries)), number, _NEW)

    def get_next_update(self):
        return Partition("ota_%d" % (1 - self._number))

    @staticmethod
    def mark_app_valid_cancel_rollback():
        entries = _entries()
        newest = max(entries)
        if newest[0] and newest[1] == _PENDING:
            _note(entries.index(newest), newest[0], _VALID)
