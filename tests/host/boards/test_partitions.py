"""The app partitions of a virtual board: its `esp32.Partition`, and the boot loader's rollback."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from boards.board import Board
from boards.errors import BoardError
from boards.flashing import appimage
from boards.virtual import otadata, partitions
from boards.virtual.board import VirtualBoard

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="images must be ELF files")

SIZE = 1 << 21
ASK = "import esp32; P=esp32.Partition; r=P(P.RUNNING); n=r.get_next_update()\n"
NEW, PENDING, VALID, ABORTED = otadata.NEW, otadata.PENDING, otadata.VALID, otadata.ABORTED


def entry(sequence: int, state: int, crc: int | None = None) -> bytes:
    """One entry of the record in its block."""
    known = {1: 0x4743989A, 2: 0x55F63774, 3: 0xED4A5011}  # as ESP-IDF's otatool writes them
    value = struct.pack("<I20sII", sequence, b"\xff" * 20, state, crc or known[sequence])
    return value.ljust(otadata.BLOCK, b"\xff")


def broken(image: bytes) -> bytes:
    """An image that the boot loader takes for one, and that does not start."""
    if appimage.is_program(image):
        return image[:24] + bytes(8) + image[32:]  # its entry point
    return image.replace(b"PyInit_micropython_run", b"PyInit_micropython_ran")


def foreign(image: bytes) -> bytes:
    """A program that the boot loader takes for an image, and that this computer can't run."""
    (at,) = struct.unpack_from("<Q", image, 32)
    data = bytearray(image)
    struct.pack_into("<I", data, at, 3)  # the first program header names an interpreter
    struct.pack_into("<H", data, 18, 0xFFFE)  # a machine that nobody has made
    return bytes(data)


BLANK = b"\xff" * otadata.BLOCK
AT = (24, otadata.BLOCK + 24)  # of the states
RULES: tuple[tuple[str, bytes, bytes, int, list[tuple[int, int]]], ...] = (
    ("nothing was ever set to boot", BLANK, BLANK, 0, []),
    ("the second was set to boot", entry(2, NEW), BLANK, 1, [(AT[0], PENDING)]),
    ("it was not marked by the next reset", entry(2, PENDING), BLANK, 0, [(AT[0], ABORTED)]),
    ("it was marked", entry(2, VALID), BLANK, 1, []),
    ("the first one again", entry(2, VALID), entry(3, NEW), 0, [(AT[1], PENDING)]),
    ("which failed", entry(2, VALID), entry(3, PENDING), 1, [(AT[1], ABORTED)]),
    ("and failed before", entry(2, VALID), entry(3, ABORTED), 1, []),
    ("a damaged entry", entry(2, VALID), entry(3, VALID, crc=1), 1, []),
    ("written by a boot loader without rollback", entry(2, 0xFFFFFFFF), BLANK, 1, []),
)


@pytest.mark.parametrize(
    ("sentence", "one", "other", "number", "changes"), RULES, ids=[row[0] for row in RULES]
)
def test_what_the_boot_loader_starts(
    sentence: str, one: bytes, other: bytes, number: int, changes: list[tuple[int, int]]
) -> None:
    assert otadata.select(one + other) == (number, changes)


def test_a_board_runs_what_was_set_to_boot_until_a_reset_and_then_what_was_marked(
    tmp_path: Path,
) -> None:
    own = partitions.own_image()
    folder = tmp_path / "board" / partitions.FOLDER

    def running(board: Board) -> str:
        return board.exec(ASK + "print(r.info()[4], P(P.BOOT).info()[4])").strip()

    with VirtualBoard(tmp_path / "board", partition=SIZE) as virtual:
        with Board(virtual.port) as board:
            assert running(board) == "ota_0 ota_0"
            with pytest.raises(BoardError, match="-5379"):
                board.exec(ASK + "n.set_boot()")  # it is empty
            (folder / "ota_1").write_bytes((own + b"other").ljust(SIZE, b"\xff"))
            board.exec(ASK + "n.set_boot()")
            assert running(board) == "ota_0 ota_1"
            board.soft_reset()
            assert running(board) == "ota_0 ota_1", "a soft reset starts no other firmware"
        for mark, then in ((False, "ota_0 ota_0"), (True, "ota_1 ota_1")):
            virtual.reset()
            with Board(virtual.port) as board:
                assert running(board) == "ota_1 ota_1"
                if mark:
                    board.exec(ASK + "P.mark_app_valid_cancel_rollback()")
            virtual.power_cut()
            virtual.power_on()
            with Board(virtual.port) as board:
                assert running(board) == then
                board.exec("" if mark else ASK + "n.set_boot()")
        for bad in (broken(own), foreign(own)):
            (folder / "ota_0").write_bytes(bad.ljust(SIZE, b"\xff"))
            with Board(virtual.port) as board:
                board.exec(ASK + "n.set_boot()")
            virtual.reset()
            with Board(virtual.port) as board:
                assert running(board) == "ota_1 ota_1", "one that does not start is left alone"
            assert ABORTED in [state for _, state in partitions.record(folder)]


def test_a_board_none_of_whose_images_can_be_run_stops_and_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "board" / partitions.FOLDER
    with VirtualBoard(tmp_path / "board", partition=SIZE) as virtual:
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        for name in partitions.NAMES:
            image = foreign(partitions.own_image())
            (folder / name).write_bytes(image.ljust(SIZE, b"\xff"))
        virtual.power_cut()
        with pytest.raises(BoardError, match="the interpreter can't be started"):
            virtual.power_on()
        assert len(list(Path("/proc/self/fd").iterdir())) < descriptors


FLASH = """\
b = bytearray(8)
def shown():
    n.readblocks(1, b, 4088); print(bytes(b).hex())
n.ioctl(6, 1); shown()
n.writeblocks(1, b"\\xf0" * 8, 4088); shown()
n.writeblocks(1, b"\\x3c" * 8, 4088); shown()
n.writeblocks(1, b"\\xaa" * 4096); shown()
print(n.ioctl(4, 0), n.ioctl(5, 0), n.info()[:4])
for bad in ((512, b"x" * 4096), (511, b"x" * 16, 4090), (0, b"x")):
    try:
        n.writeblocks(*bad)
        print("written")
    except OSError as error:
        print(error.errno)
"""


def test_its_flash_is_erased_in_blocks_and_a_write_only_clears_bits(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path / "board", partition=SIZE) as virtual, Board(virtual.port) as board:
        printed = board.exec(ASK + FLASH).split("\n")
    found = [line.strip() for line in printed if line.strip()]
    assert found[:4] == ["ff" * 8, "f0" * 8, "30" * 8, "aa" * 8]
    assert found[4] == f"512 4096 (0, 17, {0x10000 + SIZE}, {SIZE})"
    assert found[5:] == ["-260"] * 3


def test_what_is_an_elf_file() -> None:
    own = partitions.own_image()
    assert appimage.chip_of(own) == appimage.chip_of(own + b"more") == "linux"
    assert appimage.stripped(own) == own
    assert not appimage.is_elf(own[:-1])
    assert not appimage.is_elf(own[:63])
    for at in (32, 54, 56):  # offset, size and number of the program headers
        assert not appimage.is_elf(own[:at] + b"\xff\xff" + own[at + 2 :]), at


@pytest.mark.parametrize("size", [1, 4095, -4096, (1 << 24) + 4096])
def test_the_size_of_a_partition_is_bounded(tmp_path: Path, size: int) -> None:
    with pytest.raises(ValueError, match="size of a partition"):
        VirtualBoard(tmp_path, partition=size)
