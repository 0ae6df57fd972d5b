"""Check that a firmware file is complete, is the one that was meant, and is for this chip."""

from __future__ import annotations

import hashlib
import hmac
import struct
from pathlib import Path

from boards.errors import BadFirmware, NoFirmware, WrongChip, WrongHash
from boards.flashing import uf2
from boards.flashing.chips import CHIPS, Chip, Region

MAX_SIZE = 64 << 20
_MAGIC = 0xE9  # esptool's bin_image.py: magic, segments, mode, size, entry; chip id at 12
_HEADER = struct.Struct("<BBBBI4xH")
# An ESP8266's image has no extended header; its code begins at an address in its IRAM.
_ESP8266_IRAM = range(0x40100000, 0x40110000)
_TABLE = 0x8000  # where ESP-IDF's bootloader expects the partition table
_ENTRY = struct.Struct("<2sBBII16sI")
_ENTRY_MAGIC = b"\xaa\x50"
_MAX_ENTRIES = 95


def load(path: Path, chip: Chip, sha256: str = "") -> bytes:
    """Read a firmware file and refuse it unless it is the right one.

    Args:
        path: of the file.
        chip: the chip that it must be for.
        sha256: its hash in hexadecimal; "" if nobody knows it.

    Raises:
        NoFirmware, WrongHash, BadFirmware, WrongChip: the file is missing or not the right one.
    """
    if not path.is_file():
        raise NoFirmware(f"there is no file {path}")
    if path.stat().st_size > MAX_SIZE:
        raise BadFirmware(f"{path} is larger than any firmware")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if sha256 and not hmac.compare_digest(digest, sha256.strip().lower()):
        raise WrongHash(f"{path} has SHA-256 {digest}")
    check(data, chip)
    return data


def check(data: bytes, chip: Chip) -> None:
    """Check that `data` is firmware for `chip`. Raises: BadFirmware, WrongChip."""
    if chip.is_uf2:
        uf2.parse(data).check_family(chip.name)
        return
    found = image_chip(data)
    if found != chip.name:
        raise WrongChip(f"the file is for {found}, not {chip.name}")
    if chip.image_id is not None:
        partitions(data, chip)


def image_chip(data: bytes) -> str:
    """Return the name of the chip that an image of Espressif's format is for.

    Args:
        data: the image.

    Raises: BadFirmware.
    """
    if len(data) < 32 or data[0] != _MAGIC:
        raise BadFirmware("the file is no image for an Espressif chip")
    *_, entry, number = _HEADER.unpack_from(data)
    if entry in _ESP8266_IRAM:
        return "esp8266"
    known = [chip.name for chip in CHIPS.values() if chip.image_id == number]
    return known[0] if known else f"another chip (number {number})"


def partitions(data: bytes, chip: Chip) -> dict[str, Region]:
    """Return the partition table in a whole firmware for an ESP32 of any kind, by label.

    Args:
        data: the firmware.
        chip: its chip.

    Raises:
        BadFirmware: there is none, as in an image for an update over the air.
    """
    at = _TABLE - chip.begin
    found = {}
    for index in range(_MAX_ENTRIES):
        piece = data[at + index * _ENTRY.size : at + (index + 1) * _ENTRY.size]
        if len(piece) < _ENTRY.size or not piece.startswith(_ENTRY_MAGIC):
            break
        _, _, _, start, size, label, _ = _ENTRY.unpack(piece)
        name = label.rstrip(b"\0").decode("ascii", "replace")
        found[name] = Region(start, size)
    if not found:
        raise BadFirmware("it has no partition table: use the file for a first installation")
    return found
