"""UF2: firmware in blocks of 512 bytes, each with its address. (microsoft/uf2.)"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from boards.errors import BadFirmware, WrongChip
from boards.flashing.chips import CHIPS

BLOCK = 512
PAYLOAD = 256
XIP = 0x10000000  # where the flash of an RP2 begins
_START = (0x0A324655, 0x9E5D5157)
_END = 0x0AB16F30
_HEADER = struct.Struct("<8I")
_FAMILY_PRESENT = 0x2000
# RP2350 erratum E10: the first block is for any chip, and has a numbering of its own.
_ABSOLUTE = 0xE48BFF57
_MAX_BLOCKS = 1 << 17


class Block(NamedTuple):
    """One block.

    Attributes:
        address: in the chip's memory.
        family: of chips.
        data: 1 to 476 bytes.
    """

    address: int
    family: int
    data: bytes


class Firmware(NamedTuple):
    """A whole file.

    Attributes:
        blocks: in the file's order, without those for any chip.
        preamble: the file's blocks for any chip, unchanged.
    """

    blocks: tuple[Block, ...]
    preamble: bytes

    @property
    def family(self) -> int:
        """The family of its blocks; all have the same."""
        return self.blocks[0].family

    def check_family(self, chip: str) -> None:
        """Check that it is for the chip named `chip`. Raises: WrongChip."""
        if self.family not in CHIPS[chip].families:
            known = [one.name for one in CHIPS.values() if self.family in one.families]
            raise WrongChip(
                f"the file is for {known[0] if known else hex(self.family)}, not {chip}"
            )

    def end(self) -> int:
        """The address after the last byte."""
        return max(block.address + len(block.data) for block in self.blocks)


def parse(data: bytes) -> Firmware:
    """Read a whole file.

    Args:
        data: its bytes.

    Raises:
        BadFirmware: it is no UF2, is truncated, or is for several kinds of chips.
    """
    count = len(data) // BLOCK
    if not count or len(data) % BLOCK or count > _MAX_BLOCKS:
        raise BadFirmware(
            f"not a UF2 file: it must have 1 to {_MAX_BLOCKS} blocks of {BLOCK} bytes"
        )
    found, preamble = [], b""
    for i in range(count):
        piece = data[i * BLOCK : (i + 1) * BLOCK]
        block = _block(piece, i)
        if block.family == _ABSOLUTE:
            preamble += piece
        else:
            found.append(block)
    if len({block.family for block in found}) != 1:
        raise BadFirmware("the UF2 file is for no chip, or for several")
    _check_numbers(data[len(preamble) :], len(found))
    return Firmware(tuple(found), preamble)


def read(path: Path) -> Firmware:
    """Read the file `path`. Raises: as `parse`; OSError."""
    return parse(path.read_bytes())


def write(firmware: Firmware) -> bytes:
    """Return a file of these blocks, numbered anew.

    Args:
        firmware: its blocks and preamble.
    """
    total = len(firmware.blocks)
    return firmware.preamble + b"".join(
        _written(block, number, total) for number, block in enumerate(firmware.blocks)
    )


def blocks(address: int, data: bytes, family: int) -> Iterable[Block]:
    """Return the blocks of one piece of flash.

    Args:
        address: in the chip's memory.
        data: a multiple of PAYLOAD bytes.
        family: of chips.
    """
    for at in range(0, len(data), PAYLOAD):
        yield Block(address + at, family, data[at : at + PAYLOAD])


def _block(piece: bytes, index: int) -> Block:
    first, second, flags, address, size, _, _, family = _HEADER.unpack_from(piece)
    (last,) = struct.unpack_from("<I", piece, BLOCK - 4)
    if (first, second) != _START or last != _END:
        raise BadFirmware(f"not a UF2 file: block {index} has another magic number")
    if not flags & _FAMILY_PRESENT or not 0 < size <= BLOCK - 36:
        raise BadFirmware(f"block {index} of the UF2 file names no chip, or has no size")
    return Block(address, family, piece[32 : 32 + size])


def _check_numbers(data: bytes, total: int) -> None:
    # The board would wait forever for missing blocks.
    numbers = [struct.unpack_from("<II", data, i * BLOCK + 20) for i in range(total)]
    if numbers != [(number, total) for number in range(total)]:
        raise BadFirmware("the UF2 file is incomplete: its blocks are not numbered one by one")


def _written(block: Block, number: int, total: int) -> bytes:
    header = _HEADER.pack(
        *_START, _FAMILY_PRESENT, block.address, len(block.data), number, total, block.family
    )
    return (header + block.data).ljust(BLOCK - 4, b"\0") + struct.pack("<I", _END)
