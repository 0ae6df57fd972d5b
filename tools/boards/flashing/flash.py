"""Write MicroPython to a board and wait until it answers."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from serial.tools import list_ports

from boards.board import Board
from boards.errors import (
    BoardError,
    BoardGone,
    DeviceFailed,
    FlashFailed,
    NoAnswer,
    NoBootloader,
    NoPort,
    WrongChip,
)
from boards.facts import Facts
from boards.flashing import volume
from boards.flashing.chips import Chip
from boards.port import Port
from boards.provision import Report

# Held while a volume is awaited, because a volume does not say which board it belongs to.
_one_by_one = threading.Lock()
_BAUD = "460800"
_START_SECONDS = 40.0  # until a new MicroPython has made its file system
_STEP = 0.3
# esptool's lines as they come, not broken at the width of a terminal.
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "COLUMNS": "500", "NO_COLOR": "1"}
_PERCENT = re.compile(r"Writing at .*?(\d+(?:\.\d+)?) ?%")
_FATAL = re.compile(r"A fatal error occurred: (.*)")
_WRONG = re.compile(r"[Tt]his chip is (\S+?),? not|[Ww]rong --?chip|Unexpected chip|Wrong chip")
_SILENT = re.compile(r"Failed to connect|No serial data received|Timed out waiting for packet")


def flash(chip: Chip, port: str, data: bytes, report: Report, begin: int | None = None) -> None:
    """Write firmware, or a whole image, to a board, and restart the board.

    Args:
        chip: of the board.
        port: a serial port; for RP2 also the folder where its volume is mounted.
        data: accepted by `imagefile.load`, or made by `image.build`.
        report: called for each step.
        begin: its place, bytes from the begin of the flash; None for the chip's usual place.

    Raises:
        NoPort, PortBusy, PortDenied: nothing was written.
        WrongChip: the board has another chip; nothing was written.
        NoBootloader: the board's bootloader does not answer; nothing was written.
        FlashFailed, BoardGone: it ended in the middle.
    """
    if chip.is_uf2:
        _flash_volume(chip, port, data, report)
    else:
        _flash_serial(chip, port, data, report, chip.begin if begin is None else begin)


def await_repl(port: str, report: Report, seconds: float = _START_SECONDS) -> Facts:
    """Return the board's facts as soon as its REPL answers.

    Args:
        port: a serial port.
        report: called for the step.
        seconds: to wait.

    Raises:
        NoAnswer: it does not answer within `seconds`; the detail is the last reason.
    """
    report("repl", 0, 0)
    end = time.monotonic() + seconds
    while True:
        try:
            with Board(port, patience=5.0) as board:
                return board.facts()
        except DeviceFailed:
            raise
        except BoardError as error:
            if time.monotonic() >= end:
                raise NoAnswer(f"{port} with its new firmware: {error}") from None
        time.sleep(_STEP)


def _flash_serial(chip: Chip, port: str, data: bytes, report: Report, begin: int) -> None:
    report("port", 0, 0)
    Port(port).close()  # says better than esptool why a port cannot be opened
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "firmware.bin"
        file.write_bytes(data)
        report("connect", 0, 0)
        said = _run(_command(chip, port, file, begin), report)
    if said is not None:
        raise _why(said, chip, port)


def _command(chip: Chip, port: str, file: Path, begin: int) -> list[str]:
    # -P: a module of that name in the current folder, which may be anybody's, must not run.
    return [
        sys.executable, "-P", "-m", "esptool", "--chip", chip.name, "--port", port, "--baud", _BAUD,
        "write-flash", "--erase-all", hex(begin), str(file),
    ]  # fmt: skip


def _run(command: list[str], report: Report) -> str | None:
    """Run esptool, and return its last words if it failed."""
    said = ""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **_ENVIRONMENT},
    ) as process:
        if process.stdout is None:
            raise FlashFailed("esptool printed nothing")
        try:
            # It redraws its progress with carriage returns, without ending the line.
            while piece := process.stdout.read1(4096):  # type: ignore[attr-defined]
                said += piece.decode(errors="replace")
                shares = _PERCENT.findall(said[-400:])
                if shares:
                    report("flash", int(float(shares[-1])), 100)
        except BaseException:
            process.kill()  # Ctrl-C: esptool must not go on writing
            raise
    return said if process.returncode else None


def _why(said: str, chip: Chip, port: str) -> BoardError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    fatal = _FATAL.findall(said)
    line = fatal[-1] if fatal else (lines[-1] if lines else "esptool said nothing")
    if _WRONG.search(line):
        return WrongChip(f"{port} is not {chip.name}: {line}")
    if "Writing at" not in said and _SILENT.search(line):
        return NoBootloader(f"{port}: {line}")
    if not port.partition("://")[1] and not Path(port).exists():
        return BoardGone(f"{port} vanished")
    return FlashFailed(f"{port}: {line}")


def _flash_volume(chip: Chip, port: str, data: bytes, report: Report) -> None:
    if Path(port).is_dir():
        place = Path(port)
    else:
        place = _bootloader(port, report)
    volume.check(place, chip)
    volume.copy(place, data, lambda done, total: report("flash", done, total))


def _bootloader(port: str, report: Report) -> Path:
    with _one_by_one:
        before = volume.find()
        report("bootloader", 0, 0)
        with Board(port) as board:
            board.exec("")  # checks that the port is there at all
            # The port goes away before an answer comes.
            with contextlib.suppress(BoardError):
                board.exec("import machine\nmachine.bootloader()", 2.0)
        return volume.wait(before)


def new_port(before: list[str], seconds: float = _START_SECONDS) -> str:
    """Return the serial port that has appeared.

    Args:
        before: the ports that were there before.
        seconds: to wait.

    Raises: NoPort.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fresh = [port for port in serial_ports() if port not in before]
        if fresh:
            return fresh[0]
        time.sleep(_STEP)
    raise NoPort("no new serial port appeared after flashing")


def serial_ports() -> list[str]:
    """Return the serial ports of this computer."""
    return sorted(port.device for port in list_ports.comports())
