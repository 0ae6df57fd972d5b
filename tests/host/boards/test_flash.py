"""Firmware onto boards: the wrong file is refused, and every failure is one line."""

from __future__ import annotations

import hashlib
import os
import pty
import random
import resource
import shutil
import struct
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from boards.board import Board
from boards.errors import (
    BadFirmware,
    BoardGone,
    FlashFailed,
    NoBootloader,
    NoFirmware,
    NoPort,
    PortBusy,
    UnknownChip,
    WrongChip,
    WrongHash,
)
from boards.flashing import chips, flash, imagefile, uf2, volume
from boards.provision import Report
from boards.virtual.board import VirtualBoard
from tests import full
from tests.host.boards.esp_chip import EspChip
from triseal.cli import main, node_flash
from triseal.cli.output import Facts

ENTRIES = {"esp32": 0x40080400, "esp32s3": 0x403C9000, "esp32c3": 0x403C0000, "esp8266": 0x40100004}
NUMBERS = {"esp32": 0, "esp32s3": 9, "esp32c3": 5, "esp8266": 0x0000}
INFO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
INFO_2350 = "UF2 Bootloader v1.0\nModel: Raspberry Pi RP2350\nBoard-ID: RP2350\n"


def partition(label: str, start: int, size: int) -> bytes:
    """One entry of a partition table."""
    name = label.encode().ljust(16, b"\0")
    return struct.pack("<2sBBII16sI", b"\xaa\x50", 1, 0x81, start, size, name, 0)


def esp_image(name: str, *, table: bool = True, size: int = 0x40000) -> bytes:
    """A whole firmware as MicroPython's: boot loader first, the partition table in its place; the
    rest is noise, which no compression makes small."""
    chip = chips.named(name)
    head = struct.pack("<BBBBI", 0xE9, 1, 2, 0x20, ENTRIES[name])
    head += struct.pack("<BBBBHB", 0xEE, 0, 0, 0, NUMBERS[name], 0).ljust(16, b"\0")
    image = bytearray(head + random.Random(name).randbytes(size - len(head)))
    if table:
        at = 0x8000 - chip.begin
        entries = partition("nvs", 0x9000, 0x6000) + partition("factory", 0x10000, 0x1F0000)
        entries += partition("vfs", 0x200000, 0x200000) + b"\xff" * 32
        image[at : at + len(entries)] = entries
    return bytes(image)


def uf2_image(name: str, count: int = 16, family: int | None = None) -> bytes:
    """A UF2 file of so many blocks."""
    number = chips.named(name).families[0] if family is None else family
    data = bytes(range(256)) * count
    return uf2.write(uf2.Firmware(tuple(uf2.blocks(uf2.XIP, data, number)), b""))


def whole(name: str) -> bytes:
    """A firmware for any chip."""
    return uf2_image(name) if chips.named(name).is_uf2 else esp_image(name)


@pytest.mark.parametrize("for_chip", chips.CHIPS)
def test_only_firmware_for_the_chip_is_taken(for_chip: str, tmp_path: Path) -> None:
    path = tmp_path / "firmware"
    path.write_bytes(whole(for_chip))
    for name, chip in chips.CHIPS.items():
        if name == for_chip:
            assert imagefile.load(path, chip) == whole(for_chip)
        else:
            with pytest.raises((WrongChip, BadFirmware)):
                imagefile.load(path, chip)


REFUSED: tuple[tuple[str, str, bytes], ...] = (
    ("nothing", "esp32", b""),
    ("a page that a browser saved", "esp32", b"<!DOCTYPE html>" + b" " * 100),
    ("an image for an update over the air", "esp32", esp_image("esp32", table=False)),
    ("one cut before its partition table", "esp32c3", esp_image("esp32c3")[:0x8000]),
    ("a UF2 for an ESP32", "esp32", uf2_image("rp2040")),
    ("an image of Espressif's for a Pico", "rp2040", esp_image("esp32")),
    ("half a block", "rp2040", uf2_image("rp2040")[:-100]),
    ("a UF2 without its last block", "rp2040", uf2_image("rp2040")[:-512]),
    ("a UF2 without its first block", "rp2040", uf2_image("rp2040")[512:]),
    ("another magic number", "rp2040", b"X" + uf2_image("rp2040")[1:]),
    ("blocks for two chips", "rp2040", uf2_image("rp2040") + uf2_image("rp2350")),
)


@pytest.mark.parametrize(("sentence", "chip", "data"), REFUSED)
def test_what_is_no_firmware_is_refused(sentence: str, chip: str, data: bytes) -> None:
    with pytest.raises(BadFirmware):
        imagefile.check(data, chips.named(chip))


def test_a_file_is_told_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "esp32.bin"
    path.write_bytes(esp_image("esp32"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    chip = chips.named("esp32")
    assert imagefile.load(path, chip, digest.upper()) == path.read_bytes()
    with pytest.raises(WrongHash, match=digest):
        imagefile.load(path, chip, "0" * 64)
    with pytest.raises(NoFirmware):
        imagefile.load(tmp_path / "none.bin", chip)
    with pytest.raises(UnknownChip, match="known: esp32, "):
        chips.named("esp99")


def test_a_uf2_file_round_trips_with_its_preamble() -> None:
    absolute = uf2_image("rp2350", 1, 0xE48BFF57)
    data = absolute + uf2_image("rp2350", 40)
    parsed = uf2.parse(data)
    parsed.check_family("rp2350")
    assert uf2.write(parsed) == data
    assert parsed.end() == uf2.XIP + 40 * 256


# Ports.


@pytest.fixture
def silent() -> Iterator[str]:
    """A port at which nobody is."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def steps() -> tuple[list[str], Report]:
    """A list, and what fills it with the steps."""
    seen: list[str] = []
    return seen, lambda step, *_: seen.append(step)


def test_a_port_without_a_chip_is_one_line(
    silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "esptool.py").write_text("print('what a service brought')")  # and never runs
    monkeypatch.chdir(tmp_path)
    seen, report = steps()
    with pytest.raises(NoBootloader, match="Failed to connect to ESP32") as caught:
        flash.flash(chips.named("esp32"), silent, esp_image("esp32"), report)
    assert "\n" not in str(caught.value)
    assert "flash" not in seen


def test_a_port_that_is_not_there_or_in_use(silent: str, tmp_path: Path) -> None:
    _, report = steps()
    for name in ("esp32", "rp2040"):
        with pytest.raises(NoPort):
            flash.flash(chips.named(name), "/dev/ttyNONE9", whole(name), report)
    with VirtualBoard(tmp_path) as board, Board(board.port), pytest.raises(PortBusy):
        flash.flash(chips.named("esp32"), board.port, esp_image("esp32"), report)


ESPRESSIF = tuple(name for name, chip in chips.CHIPS.items() if not chip.is_uf2)


@pytest.mark.usefixtures("patient_esptool")
@pytest.mark.parametrize("name", full.rows(ESPRESSIF, 0))
def test_a_chip_is_erased_and_written(name: str, tmp_path: Path) -> None:
    chip = chips.named(name)
    image = esp_image(name)
    with EspChip(tmp_path / "port", name) as board:
        seen, report = steps()
        flash.flash(chip, board.port, image, report)
        assert board.erased == 1
        assert board.flash == (b"\xff" * chip.begin + image).ljust(len(board.flash), b"\xff")
        assert seen[0] == "port"
        assert seen[-1] == "flash"


@pytest.mark.usefixtures("patient_esptool")
@pytest.mark.parametrize("name", ["esp32", "esp32s3"])
def test_another_chip_behind_the_port_is_left_alone(name: str, tmp_path: Path) -> None:
    other = "esp32" if name != "esp32" else "esp32c3"
    with EspChip(tmp_path / "port", other) as board:
        with pytest.raises(WrongChip, match=f"is not {name}: This chip is"):
            flash.flash(chips.named(name), board.port, esp_image(name), steps()[1])
        assert (board.erased, set(board.flash)) == (0, {0xFF})


@pytest.mark.usefixtures("patient_esptool")
def test_a_board_unplugged_while_it_is_written(tmp_path: Path) -> None:
    def unplug(written: int) -> str:
        chip = EspChip(tmp_path / f"port-{written}", "esp32", cut_after=written)
        with chip as board, pytest.raises(BoardGone) as caught:
            flash.flash(chips.named("esp32"), board.port, esp_image("esp32"), steps()[1])
        return str(caught.value)

    with ThreadPoolExecutor() as pool:  # esptool tries for some seconds
        for said in pool.map(unplug, [0, 1, 100_000, 0x3FFFF]):
            assert "vanished" in said
            assert "\n" not in said


SAID: tuple[tuple[str, str, type[Exception]], ...] = (
    ("another chip", "A fatal error occurred: This chip is ESP32-S3, not ESP32. Wrong", WrongChip),
    ("nothing answers", "A fatal error occurred: Failed to connect to ESP32: No se", NoBootloader),
    (
        "it ends in the middle",
        "Writing at 0x1 50.0% 1/2\nA fatal error occurred: Packet content transfer stopped",
        FlashFailed,
    ),
    ("a failure without a word", "", FlashFailed),
)


@pytest.mark.parametrize(("sentence", "said", "kind"), SAID)
def test_what_esptool_says_is_one_error(
    sentence: str, said: str, kind: type[Exception], silent: str
) -> None:
    assert type(flash._why(said, chips.named("esp32"), silent)) is kind
    gone = flash._why("Writing at 0x1 50.0%\nOSError", chips.named("esp32"), "/dev/ttyNONE9")
    assert type(gone) is BoardGone


# Volumes.


def volume_of(place: Path, info: str = INFO) -> Path:
    """What a board in its boot loader looks like, mounted."""
    place.mkdir(parents=True)
    (place / volume.INFO).write_text(info)
    return place


def test_volumes_are_found_where_they_are_mounted(tmp_path: Path) -> None:
    roots = (tmp_path / "media", tmp_path / "run", tmp_path / "none")
    assert volume.find(roots) == []
    one = volume_of(tmp_path / "media" / "ada" / "RPI-RP2")
    two = volume_of(tmp_path / "run" / "RP2350", INFO_2350)
    (tmp_path / "media" / "ada" / "stick").mkdir()
    assert volume.find(roots) == sorted([one, two])
    assert [volume.chip_of(place) for place in (one, two)] == ["rp2040", "rp2350"]
    assert volume.wait([one], roots, 0) == two
    with pytest.raises(NoBootloader):
        volume.wait([one, two], roots, 0)


def test_a_pico_is_flashed_by_copying(tmp_path: Path) -> None:
    place = volume_of(tmp_path / "RPI-RP2")
    told: list[tuple[str, int, int]] = []
    data = uf2_image("rp2040", 1000)
    flash.flash(chips.named("rp2040"), str(place), data, lambda *all_: told.append(all_))
    assert (place / "firmware.uf2").read_bytes() == data
    assert told[-1] == ("flash", len(data), len(data))


def test_boards_that_were_given_as_volumes_get_each_its_own_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = {"a": "/dev/ttyNONE1", "b": "/dev/ttyNONE0", "c": "/dev/ttyNONE9"}
    looks = {"a": 3, "b": 1, "c": 1}  # until a board that was written has its port

    def serial_ports() -> list[str]:
        looks["c"] -= 1  # the port of another job, which was away for a moment
        for name in "ab":
            if (tmp_path / name / "firmware.uf2").exists():
                shutil.rmtree(tmp_path / name)  # it is no volume any more
            looks[name] -= not (tmp_path / name).exists()
        return sorted(ports[name] for name, left in looks.items() if left < 0)

    monkeypatch.setattr(flash, "serial_ports", serial_ports)
    monkeypatch.setattr(
        flash, "await_repl", lambda port, _: SimpleNamespace(machine=port, version=())
    )
    monkeypatch.setattr(flash, "_STEP", 0.05)
    places = [str(volume_of(tmp_path / name)) for name in "ab"]
    report = steps()[1]
    chip, data = chips.named("rp2040"), uf2_image("rp2040")
    jobs = [node_flash._Job(chip, one, data, "", False, (ports["c"],)) for one in places]
    done = node_flash._all(jobs, None, dict.fromkeys(places, report))
    assert [cast(Facts, done[one])["port"] for one in places] == [ports["a"], ports["b"]]


def test_another_board_or_no_board_behind_a_folder(tmp_path: Path) -> None:
    _, report = steps()
    place = volume_of(tmp_path / "RP2350", INFO_2350)
    with pytest.raises(WrongChip, match="is rp2350, not rp2040"):
        flash.flash(chips.named("rp2040"), str(place), uf2_image("rp2040"), report)
    with pytest.raises(NoBootloader, match="no board that waits"):
        flash.flash(chips.named("rp2040"), str(tmp_path), uf2_image("rp2040"), report)
    assert [path.name for path in place.iterdir()] == [volume.INFO]


def test_a_volume_that_vanishes_is_one_line(tmp_path: Path) -> None:
    place = volume_of(tmp_path / "RPI-RP2")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(FlashFailed, match="after 4096 of 8192 bytes: File too large"):
            flash.flash(chips.named("rp2040"), str(place), uf2_image("rp2040"), steps()[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_volume_leads_nowhere_else(tmp_path: Path) -> None:
    """A device that shows a file system of its own making gets at nothing of this computer."""
    mine = tmp_path / "mine"
    mine.write_text(INFO)
    place = volume_of(tmp_path / "RPI-RP2")
    (place / "firmware.uf2").symlink_to(mine)
    with pytest.raises(FlashFailed):
        flash.flash(chips.named("rp2040"), str(place), uf2_image("rp2040"), steps()[1])
    assert mine.read_text() == INFO
    info = place / volume.INFO
    makes: list[Callable[[], object]] = [
        lambda: info.symlink_to(mine),
        lambda: os.mkfifo(info),
        lambda: info.write_text("x" * 5000 + INFO),
    ]
    for make in makes:
        info.unlink()
        make()
        with pytest.raises(NoBootloader):
            volume.chip_of(place)


def test_a_board_is_awaited_until_its_repl_answers(tmp_path: Path, silent: str) -> None:
    with VirtualBoard(tmp_path) as board:
        assert flash.await_repl(board.port, steps()[1]).implementation == "micropython"
    with pytest.raises(Exception, match="no-answer"):
        flash.await_repl(silent, steps()[1], 0)


# The command.

LINES: tuple[tuple[str, list[str], int, str], ...] = (
    ("no such firmware", ["--board", "esp32", "--firmware", "{none}"], 1, "no-firmware"),
    ("another chip's", ["--board", "esp32s3", "--firmware", "{esp32}"], 1, "wrong-chip"),
    (
        "another hash",
        ["--board", "esp32", "--firmware", "{esp32}", "--sha256", "00"],
        1,
        "wrong-hash",
    ),
    ("no such board", ["--board", "esp99", "--firmware", "{esp32}"], 1, "unknown-chip"),
    ("no such port", ["--board", "esp32", "--firmware", "{esp32}"], 1, "no-port"),
    (
        "nodes and ports that don't pair",
        ["--board", "esp32", "--firmware", "{esp32}", "--node", "a", "--node", "b"],
        2,
        "one for each --port",
    ),
)


def test_every_failure_of_the_command_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "esp32").write_bytes(esp_image("esp32"))
    for sentence, arguments, status, what in LINES:
        filled = [
            one.replace("{", f"{tmp_path}/").replace("}", "") if "{" in one else one
            for one in arguments
        ]
        assert main.main(["node", "flash", "--port", "/dev/ttyNONE9", *filled]) == status, sentence
        error = capfd.readouterr().err.strip().splitlines()
        assert what in error[-1] or what in "".join(error), sentence
        if status == 1:
            lines = [line for line in error if not line.startswith("/dev/ttyNONE9: ")]
            assert len(lines) == 1, sentence


def test_several_ports_fail_for_themselves(
    tmp_path: Path, silent: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "esp32.bin"
    path.write_bytes(esp_image("esp32"))
    arguments = ["--board", "esp32", "--firmware", str(path), "--port", "/dev/ttyNONE9"]
    assert main.main(["node", "flash", *arguments, "--port", silent]) == 1
    error = capfd.readouterr().err
    assert "/dev/ttyNONE9: triseal: no-port:" in error
    assert f"{silent}: triseal: no-bootloader:" in error
