"""One file for a production line: MicroPython, and a file system that makes the board a node.

The board makes its own key at its first start. So no image holds a private key, and a thousand
boards may be flashed from one template in which only name and token change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from boards.code import frozen, stage
from boards.code.romfs import pack
from boards.errors import DoesNotFit, UnknownLayout
from boards.flashing import imagefile, littlefs_image, uf2
from boards.flashing.chips import BLOCK, RP2_LAYOUTS, Chip, Region

_PARTITION = "vfs"  # as MicroPython's partition tables call it
# MicroPython's firmware names its board (MICROPY_HW_BOARD_NAME).
_RP2_BOARDS = {
    b"Raspberry Pi Pico with RP2040": "rp2040",
    b"Raspberry Pi Pico W with RP2040": "rp2040-w",
    b"Raspberry Pi Pico 2 with RP2350": "rp2350",
    b"Raspberry Pi Pico2 with RP2350": "rp2350",
    b"Raspberry Pi Pico 2 W with RP2350": "rp2350-w",
    b"Raspberry Pi Pico2 W with RP2350": "rp2350-w",
}
_ERASED = b"\xff"


class Image(NamedTuple):
    """The result of `build`.

    Attributes:
        data: the file to flash: an image for esptool, or a UF2.
        region: the place of its file system in the flash.
        filesystem: the LittleFS alone.
    """

    data: bytes
    region: Region
    filesystem: bytes


def agent(chip: Chip, firmware: bytes) -> dict[str, bytes]:
    """Return the agent's files, compiled for a chip, by path on the board.

    Files that the firmware has already are left out, because they would not run.

    Args:
        chip: of the board.
        firmware: accepted by `imagefile.load`.

    Raises:
        OtherAgent: the firmware has another agent.
    """
    files = [stage.main_file()] if holds_agent(chip, firmware) else stage.plan(chip.target)
    return {file.path: file.data for file in files}


def holds_agent(chip: Chip, firmware: bytes) -> bool:
    """Say whether firmware has the agent that is installed here.

    Args:
        chip: of the board.
        firmware: accepted by `imagefile.load`.

    Raises:
        OtherAgent: the firmware has another one.
    """
    return frozen.in_firmware(_memory(firmware) if chip.is_uf2 else firmware)


def build(
    chip: Chip, firmware: bytes, files: Mapping[str, bytes], region: Region | None = None
) -> Image:
    """Put firmware and file system into one image.

    Args:
        chip: of the board.
        firmware: accepted by `imagefile.load`.
        files: of the file system, contents by path.
        region: the place of the file system; None for the place where the firmware looks.

    Raises:
        UnknownLayout: the firmware does not say where it looks.
        DoesNotFit: the files, or the firmware itself, need more room.
    """
    place = region or layout(chip, firmware)
    if place.start % BLOCK or place.size % BLOCK or place.size < 8 * BLOCK:
        raise UnknownLayout(f"no LittleFS can have {place.size} bytes at {place.start:#x}")
    filesystem = littlefs_image.build(files, place.size, chip.program)
    make = _joined_uf2 if chip.is_uf2 else _joined
    return Image(make(chip, firmware, place, filesystem), place, filesystem)


def layout(chip: Chip, firmware: bytes) -> Region:
    """Return the place where this firmware looks for its file system.

    Args:
        chip: of the board.
        firmware: accepted by `imagefile.load`.

    Raises: UnknownLayout.
    """
    if chip.is_uf2:
        return _rp2_layout(firmware)
    if chip.image_id is None:
        # It depends on the build and on the size of the flash that the board finds.
        raise UnknownLayout(
            f"{chip.name} firmware does not contain the position of its file system"
        )
    found = imagefile.partitions(firmware, chip)
    if _PARTITION not in found:
        raise UnknownLayout(f"no partition {_PARTITION!r} among {', '.join(found)}")
    return found[_PARTITION]


def romfs(chip: Chip) -> bytes:
    """Return the agent's packages as a ROMFS image, for firmware with a ROMFS partition.

    It has no `main.py`, because MicroPython looks for that only in the file system at `/`.

    Args:
        chip: of the board.
    """
    return pack(stage.compile_modules(frozen.modules(), chip.target))


def _joined(chip: Chip, firmware: bytes, place: Region, filesystem: bytes) -> bytes:
    room = place.start - chip.begin
    if len(firmware) > room:
        raise DoesNotFit(
            f"the firmware has {len(firmware)} bytes, the file system begins at {room}"
        )
    return firmware.ljust(room, _ERASED) + filesystem


def _joined_uf2(chip: Chip, firmware: bytes, place: Region, filesystem: bytes) -> bytes:
    parsed = uf2.parse(firmware)
    start = uf2.XIP + place.start
    if parsed.end() > start:
        raise DoesNotFit(
            f"{chip.name} firmware ends at {parsed.end():#x}, the file system begins at {start:#x}"
        )
    # Every block of it, also the erased ones: blocks of an older file system could be newer
    # than ours by its own count, and win over them.
    added = tuple(uf2.blocks(start, filesystem, parsed.family))
    return uf2.write(uf2.Firmware(parsed.blocks + added, parsed.preamble))


def _rp2_layout(firmware: bytes) -> Region:
    memory = _memory(firmware)
    found = {RP2_LAYOUTS[name] for text, name in _RP2_BOARDS.items() if text in memory}
    if len(found) != 1:
        raise UnknownLayout("the firmware names no board whose flash layout is known")
    return found.pop()


def _memory(firmware: bytes) -> bytes:
    """Return the bytes that a UF2 writes, without the frames of its blocks."""
    return b"".join(block.data for block in uf2.parse(firmware).blocks)
