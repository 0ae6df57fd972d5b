"""One file for a production line: MicroPython, and a file system that makes it a node.

The board makes its own key at its first start: no image holds a private key, and a thousand boards
may be flashed from one template with nothing but name and token changed.
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
# How MicroPython's firmware names the board that it is for (MICROPY_HW_BOARD_NAME).
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
    """What `build` made.

    Attributes:
        data: the file to flash: an image for esptool, or a UF2.
        region: where in the flash its file system lies.
        filesystem: the LittleFS by itself.
    """

    data: bytes
    region: Region
    filesystem: bytes


def agent(chip: Chip, firmware: bytes) -> dict[str, bytes]:
    """The agent's files, compiled for a chip, by path on the board; of what the firmware has in it
    none, since it would not run.

    Raises:
        OtherAgent: the firmware has another one in it.
    """
    files = [stage.main_file()] if holds_agent(chip, firmware) else stage.plan(chip.target)
    return {file.path: file.data for file in files}


def holds_agent(chip: Chip, firmware: bytes) -> bool:
    """Whether firmware has the agent in it: the one that is installed here.

    Raises:
        OtherAgent: it has another one in it.
    """
    return frozen.in_firmware(_memory(firmware) if chip.is_uf2 else firmware)


def build(
    chip: Chip, firmware: bytes, files: Mapping[str, bytes], region: Region | None = None
) -> Image:
    """Firmware and file system in one.

    Args:
        chip: of the board.
        firmware: what `imagefile.load` has accepted.
        files: of the file system, by path.
        region: where the file system goes; by default where the firmware looks for it.

    Raises:
        UnknownLayout: the firmware does not tell where it looks.
        DoesNotFit: the files, or the firmware itself, need more room.
    """
    place = region or layout(chip, firmware)
    if place.start % BLOCK or place.size % BLOCK or place.size < 8 * BLOCK:
        raise UnknownLayout(f"a file system of {place.size} octets at {place.start:#x}")
    filesystem = littlefs_image.build(files, place.size, chip.program)
    make = _joined_uf2 if chip.is_uf2 else _joined
    return Image(make(chip, firmware, place, filesystem), place, filesystem)


def layout(chip: Chip, firmware: bytes) -> Region:
    """Where this firmware looks for its file system. Raises: UnknownLayout."""
    if chip.is_uf2:
        return _rp2_layout(firmware)
    if chip.image_id is None:
        # It depends on the build and on the size of the flash that the board finds.
        raise UnknownLayout(f"{chip.name} firmware does not tell where its file system lies")
    found = imagefile.partitions(firmware, chip)
    if _PARTITION not in found:
        raise UnknownLayout(f"no partition {_PARTITION!r} among {', '.join(found)}")
    return found[_PARTITION]


def romfs(chip: Chip) -> bytes:
    """The agent's packages as a ROMFS image, for firmware with a ROMFS partition.

    `main.py` is not in it: MicroPython looks for that in the file system at `/` only.
    """
    return pack(stage.compile_modules(frozen.modules(), chip.target))


def _joined(chip: Chip, firmware: bytes, place: Region, filesystem: bytes) -> bytes:
    room = place.start - chip.begin
    if len(firmware) > room:
        raise DoesNotFit(f"firmware of {len(firmware)} octets before a file system at {room}")
    return firmware.ljust(room, _ERASED) + filesystem


def _joined_uf2(chip: Chip, firmware: bytes, place: Region, filesystem: bytes) -> bytes:
    parsed = uf2.parse(firmware)
    start = uf2.XIP + place.start
    if parsed.end() > start:
        raise DoesNotFit(f"{chip.name} firmware up to {parsed.end():#x}, file system at {start:#x}")
    # Every block of it, the erased ones too: what an older file system left there could be newer
    # than ours by its own count, and win.
    added = tuple(uf2.blocks(start, filesystem, parsed.family))
    return uf2.write(uf2.Firmware(parsed.blocks + added, parsed.preamble))


def _rp2_layout(firmware: bytes) -> Region:
    memory = _memory(firmware)
    found = {RP2_LAYOUTS[name] for text, name in _RP2_BOARDS.items() if text in memory}
    if len(found) != 1:
        raise UnknownLayout("the firmware names no board whose flash layout is known")
    return found.pop()


def _memory(firmware: bytes) -> bytes:
    """What a UF2 writes, without the frames of its blocks."""
    return b"".join(block.data for block in uf2.parse(firmware).blocks)
