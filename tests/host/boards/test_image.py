"""Images for production lines, mounted by the MicroPython that they are for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from boards import micropython
from boards.errors import BadFirmware, DoesNotFit, UnknownLayout
from boards.flashing import chips, image, imagefile, uf2
from boards.flashing.chips import Chip, Region
from tests.host.boards.test_flash import esp_image, uf2_image
from triseal.cli import main

RP2 = {
    "rp2040": b"Raspberry Pi Pico with RP2040",
    "rp2040-w": b"Raspberry Pi Pico W with RP2040",
    "rp2350": b"Raspberry Pi Pico2 with RP2350",
    "rp2350-w": b"Raspberry Pi Pico2 W with RP2350",
}
# As the ports' _boot.py do: blocks of 4096 bytes, and what the port writes at once.
MOUNT = """
import hashlib, os, sys, vfs
class Device:
    def __init__(self, path, start, size):
        self.file = open(path, "rb")
        self.start = start
        self.blocks = size // 4096
    def readblocks(self, block, buffer, offset=0):
        self.file.seek(self.start + block * 4096 + offset)
        self.file.readinto(buffer)
    def writeblocks(self, block, buffer, offset=0):
        raise OSError(30)
    def ioctl(self, operation, argument):
        return {4: self.blocks, 5: 4096}.get(operation, 0)
def walk(path):
    for name, kind, *_ in os.ilistdir(path):
        inner = path + "/" + name
        if kind == 0x4000:
            walk(inner)
        else:
            with open(inner, "rb") as file:
                digest = hashlib.sha256(file.read()).digest().hex()
            print(inner[5:], digest)
device = Device(*%r)
vfs.mount(vfs.VfsLfs2(device, progsize=%d), "/node", readonly=True)
walk("/node")
"""


def whole(name: str) -> tuple[Chip, bytes]:
    """A chip and firmware for it, by the name of a layout."""
    if name not in RP2:
        return chips.named(name), esp_image(name)
    chip = chips.named(name.removesuffix("-w"))
    text = RP2[name].ljust(256 * 8, b"\0")
    blocks = uf2.blocks(uf2.XIP, text, chip.families[0])
    return chip, uf2.write(uf2.Firmware(tuple(blocks), b""))


def flashed(chip: Chip, data: bytes) -> bytes:
    """The flash of a board onto which an image was written."""
    if not chip.is_uf2:
        return b"\xff" * chip.begin + data
    parsed = uf2.parse(data)
    parsed.check_family(chip.name)
    flash = bytearray(b"\x55" * (parsed.end() - uf2.XIP))
    for block in parsed.blocks:
        at = block.address - uf2.XIP
        flash[at : at + len(block.data)] = block.data
    return bytes(flash)


def mounted(path: Path, chip: Chip, region: Region, place: Path) -> dict[str, str]:
    """What a real MicroPython finds in the file system of a flash: hashes by path."""
    script = place / "mount.py"
    script.write_text(MOUNT % ((str(path), region.start, region.size), chip.program))
    done = micropython.run(["-X", "heapsize=1M", str(script)])
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", ["esp32", "esp32s3", "esp32c3", *RP2])
def test_a_real_micropython_mounts_it(name: str, tmp_path: Path) -> None:
    chip, firmware = whole(name)
    files = {**image.agent(chip, firmware), "/triseal/settings.json": b"{}"}
    made = image.build(chip, firmware, files)
    expected = chips.RP2_LAYOUTS.get(name, Region(0x200000, 0x200000))
    assert made.region == expected
    flash = flashed(chip, made.data)
    (tmp_path / "flash").write_bytes(flash)
    assert len(flash) == expected.start + expected.size
    found = mounted(tmp_path / "flash", chip, made.region, tmp_path)
    assert found == {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    imagefile.check(made.data, chip)  # it is firmware for this chip like any other


REFUSED: tuple[tuple[str, str, bytes, Region | None, type[Exception]], ...] = (
    ("no table", "esp32", esp_image("esp32", table=False), None, BadFirmware),
    ("nobody knows where", "esp8266", esp_image("esp8266"), None, UnknownLayout),
    ("an unknown board of a known chip", "rp2040", uf2_image("rp2040"), None, UnknownLayout),
    ("too small", "esp32", esp_image("esp32"), Region(0x200000, 0x10000), DoesNotFit),
    ("over the firmware", "esp32", esp_image("esp32"), Region(0x8000, 0x100000), DoesNotFit),
    ("over it, as UF2", "rp2040", uf2_image("rp2040", 64), Region(0x1000, 0x100000), DoesNotFit),
    ("not on a block", "esp32", esp_image("esp32"), Region(0x200100, 0x100000), UnknownLayout),
)


@pytest.mark.parametrize(("sentence", "name", "firmware", "region", "kind"), REFUSED)
def test_what_can_be_no_image(
    sentence: str, name: str, firmware: bytes, region: Region | None, kind: type[Exception]
) -> None:
    chip = chips.named(name)
    with pytest.raises(kind):
        image.build(chip, firmware, {"/lib/x": bytes(100000)}, region)


def test_where_an_esp8266_keeps_its_files_is_told(tmp_path: Path) -> None:
    chip, firmware = whole("esp8266")
    region = Region(0x100000, 0x200000)
    made = image.build(chip, firmware, {"/main.py": b"pass"}, region)
    (tmp_path / "flash").write_bytes(flashed(chip, made.data))
    assert set(mounted(tmp_path / "flash", chip, region, tmp_path)) == {"/main.py"}


def test_the_agent_runs_from_a_romfs(tmp_path: Path) -> None:
    (tmp_path / "agent.romfs").write_bytes(image.romfs(chips.named("rp2040")))
    code = (
        "import sys, vfs\n"
        f"data = open({str(tmp_path / 'agent.romfs')!r}, 'rb').read()\n"
        "vfs.mount(vfs.VfsRom(data), '/rom')\nsys.path[:] = ['/rom', '.frozen']\n"
        "import nlsm.agent, sealcore.custody\nprint(nlsm.agent.__file__)\n"
    )
    (tmp_path / "run.py").write_text(code)
    done = micropython.run(["-X", "heapsize=1M", str(tmp_path / "run.py")])
    assert done.stdout == "/rom/nlsm/agent.mpy\n", done.stderr


def test_the_command_makes_an_image_of_a_node(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chip, firmware = whole("esp32")
    (tmp_path / "esp32.bin").write_bytes(firmware)
    site, out = str(tmp_path / "site"), tmp_path / "kitchen.bin"
    begin = ["--home", site]
    assert main.main(["site", "init", "house", "--no-passphrase", *begin]) == 0
    assert main.main(["site", "add-node", "kitchen", *begin]) == 0
    common = ["node", "image", "--board", "esp32", "--firmware", str(tmp_path / "esp32.bin")]
    capfd.readouterr()
    arguments = ["--node", "kitchen", "-o", str(out), "--json", *begin]
    assert main.main([*common, *arguments, "--romfs", str(tmp_path / "a.romfs")]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["bytes"] == out.stat().st_size
    assert out.stat().st_mode & 0o777 == 0o600
    (tmp_path / "flash").write_bytes(flashed(chip, out.read_bytes()))
    found = mounted(tmp_path / "flash", chip, Region(0x200000, 0x200000), tmp_path)
    assert {"/main.py", "/lib/nlsm/agent.mpy", "/triseal/bundle.der"} < set(found)
    assert "/triseal/node.key" not in found
    assert (tmp_path / "a.romfs").read_bytes() == image.romfs(chip)
    assert main.main([*common, "--node", "attic", "-o", str(tmp_path / "x"), *begin]) == 1
    assert not (tmp_path / "x").exists()
