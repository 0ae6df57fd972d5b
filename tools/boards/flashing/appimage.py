"""Images of one app partition: the MicroPython alone, without boot loader and partition table.

For the chips of the ESP32 family this is the `.app-bin` of MicroPython's downloads. For a virtual
board it is an ELF file.
"""

from __future__ import annotations

import hashlib
import struct

from boards.errors import BadFirmware
from boards.flashing import imagefile

VIRTUAL = "linux"  # the "chip" of a virtual board, as its `sys.platform`

_DESCRIPTION = 0xABCD5432  # esp_app_desc_t, behind the header and that of the first segment
_AT, _SEGMENT, _HEADER = 32, struct.Struct("<II"), 24
_HASHED = 23  # of the header: whether a SHA-256 follows
_ELF = b"\x7fELF\x02\x01\x01"
_PROGRAM = struct.Struct("<IIQQQQ")
_PROGRAMS = struct.Struct("<HH")
_INTERPRETER = 3
_LEAST = 64  # bytes of an ELF header


def chip_of(data: bytes) -> str:
    """Return the chip that an image is for, as a board names it: `esp32c3`.

    Args:
        data: the image.

    Raises:
        BadFirmware: it is no image of an app partition, or is incomplete or damaged.
    """
    if data.startswith(_ELF):
        if not is_elf(data):
            raise BadFirmware("the ELF file is incomplete")
        return VIRTUAL
    chip = imagefile.image_chip(data)
    if data[_AT : _AT + 4] != struct.pack("<I", _DESCRIPTION):
        raise BadFirmware("it is no image of an app partition: use MicroPython's .app-bin file")
    _check_whole(data)
    return chip


def _check_whole(data: bytes) -> None:
    """Refuse an image of which a part is missing, or whose own hash is wrong."""
    at = _HEADER
    for _ in range(data[1]):
        if at + _SEGMENT.size > len(data):
            raise BadFirmware("the image is incomplete")
        at += _SEGMENT.size + _SEGMENT.unpack_from(data, at)[1]
    at += 16 - at % 16  # the checksum is the last byte of these
    if not data[_HASHED]:
        if at > len(data):
            raise BadFirmware("the image is incomplete")
    elif hashlib.sha256(data[:at]).digest() != data[at : at + 32]:
        raise BadFirmware("the image is incomplete or damaged: its own hash is wrong")


def is_elf(data: bytes) -> bool:
    """Tell whether this begins with a whole ELF file of 64 bits.

    Args:
        data: the content of a file or partition.
    """
    return len(data) >= _LEAST and data.startswith(_ELF) and 0 < _end(data) <= len(data)


def is_program(data: bytes) -> bool:
    """Tell whether an ELF file is a program, and not a module for another program.

    Args:
        data: the ELF file.
    """
    return any(kind == _INTERPRETER for kind, _, _ in _programs(data))


def stripped(data: bytes) -> bytes:
    """Return an ELF file without everything that its loader does not need.

    Args:
        data: the ELF file.
    """
    header = bytearray(data[:_LEAST])
    header[40:48] = bytes(8)  # place, size and number of section headers
    header[58:64] = bytes(6)
    return bytes(header) + data[_LEAST : _end(data)]


def _programs(data: bytes) -> list[tuple[int, int, int]]:
    """Return kind, offset and size of each part that is loaded; none if the header is damaged."""
    (at,) = struct.unpack_from("<Q", data, 32)
    size, count = _PROGRAMS.unpack_from(data, 54)
    if size < _PROGRAM.size or at + size * count > len(data):
        return []
    found = [_PROGRAM.unpack_from(data, at + size * index) for index in range(count)]
    return [(kind, offset, length) for kind, _, offset, _, _, length in found]


def _end(data: bytes) -> int:
    """Return the end of the last part that is loaded; 0 if there is none."""
    return max((offset + length for _, offset, length in _programs(data)), default=0)
