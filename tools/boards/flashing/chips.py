"""The chips whose boards can be flashed: how to recognise their firmware, and where it
is written."""

from __future__ import annotations

from typing import NamedTuple

from boards.code.mpy import Target
from boards.errors import UnknownChip

BLOCK = 4096  # bytes that each of them erases at once
_MPY = (6, 3)  # bytecode and native code of MicroPython 1.23 and later


class Region(NamedTuple):
    """A part of the flash.

    Attributes:
        start: bytes from the begin of the flash.
        size: bytes.
    """

    start: int
    size: int


class Chip(NamedTuple):
    """A chip.

    Attributes:
        name: as a person names it.
        architecture: as `mpy-cross -march` names it.
        image_id: of its images, in esptool's extended header; None if they have no such header.
        begin: where its firmware file is written, bytes from the begin of the flash.
        families: its numbers in UF2 files; the first is the one that is written.
        program: bytes that its MicroPython writes at once.
    """

    name: str
    architecture: str
    image_id: int | None = None
    begin: int = 0
    families: tuple[int, ...] = ()
    program: int = 32

    @property
    def target(self) -> Target:
        """The `.mpy` files that its MicroPython loads."""
        return Target(*_MPY, self.architecture)

    @property
    def is_uf2(self) -> bool:
        """Whether it is flashed by copying a UF2 file."""
        return bool(self.families)


# Image ids and begins: esptool's targets/. Families: the registry of microsoft/uf2.
CHIPS = {
    chip.name: chip
    for chip in (
        Chip("esp32", "xtensawin", image_id=0, begin=0x1000),
        Chip("esp32s3", "xtensawin", image_id=9),
        Chip("esp32c3", "rv32imc", image_id=5),
        Chip("esp8266", "xtensa"),
        Chip("rp2040", "armv6m", families=(0xE48BFF56,), program=256),
        Chip("rp2350", "armv7emsp", families=(0xE48BFF59, 0xE48BFF5A), program=256),
    )
}

# MICROPY_HW_FLASH_STORAGE_BYTES of MicroPython's boards: the file system is the flash's end.
RP2_LAYOUTS = {
    "rp2040": Region(0xA0000, 1408 << 10),  # RPI_PICO
    "rp2040-w": Region(0x12C000, 848 << 10),  # RPI_PICO_W
    "rp2350": Region(0x100000, 3072 << 10),  # RPI_PICO2
    "rp2350-w": Region(0x180000, 2560 << 10),  # RPI_PICO2_W
}


def named(name: str) -> Chip:
    """Return the chip called `name`. Raises: UnknownChip."""
    try:
        return CHIPS[name]
    except KeyError:
        raise UnknownChip(f"{name!r}; known: {', '.join(CHIPS)}") from None
