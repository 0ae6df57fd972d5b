"""An RP2040 board in `rp2040py`: real firmware, about forty times slower than a real board.

Users download the firmware, a UF2 file. The file system is preloaded as an image, because copying
it over the port would take minutes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from boards.errors import NoEmulator, NoFirmware, WontStart
from boards.flashing import chips, image, littlefs_image, uf2

PATIENCE = 240.0
_START_SECONDS = 60.0
_END_SECONDS = 30.0
_LISTENING = "listening on"


class Emulation:
    """A Pico for as long as the block lasts; its flash survives a power cut.

    Attributes:
        port: of its REPL, the same after every power cycle.
    """

    def __init__(self, firmware: Path, directory: Path) -> None:
        """Check the emulator and the firmware; nothing runs yet.

        Args:
            firmware: a UF2 with MicroPython for the Pico.
            directory: folder for its flash.

        Raises:
            NoEmulator: rp2040py is not installed.
            NoFirmware, BadFirmware, WrongChip: the file is missing or not for the Pico.
        """
        if importlib.util.find_spec("rp2040py") is None:
            raise NoEmulator("rp2040py is not installed")
        if not firmware.is_file():
            raise NoFirmware(f"there is no {firmware}")
        uf2.parse(firmware.read_bytes()).check_family("rp2040")
        self._firmware = firmware
        self._flash = directory / "flash.img"
        self._process: subprocess.Popen[str] | None = None
        self._number = _free_port()
        self.port = f"socket://127.0.0.1:{self._number}"

    def __enter__(self) -> Self:
        """Start it. Raises: WontStart."""
        if not self._flash.exists():
            chip, place = chips.named("rp2040"), chips.RP2_LAYOUTS["rp2040"]
            code = image.agent(chip, self._firmware.read_bytes())
            self._flash.write_bytes(littlefs_image.build(code, place.size, chip.program))
        self.power_on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.power_cut()

    def command(self) -> list[str]:
        """Return the command that runs it; it writes the flash back when it ends."""
        return [
            sys.executable, "-P", "-m", "rp2040py", "micropython", "--tcp-port", str(self._number),
            "--image", str(self._firmware),
            "--littlefs", str(self._flash), "--dump-fs", str(self._flash),
        ]  # fmt: skip

    def power_on(self) -> None:
        """Start it, unless it runs. Raises: WontStart."""
        if self._process is None:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            self._await_port(self._process)

    def power_cut(self) -> None:
        """End it. It saves its flash between two instructions, so this cut damages nothing."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)  # it does not save its flash on SIGTERM
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _await_port(self, process: subprocess.Popen[str]) -> None:
        said: list[str] = []
        ready = threading.Event()

        def read() -> None:
            # Read to its end, or a full pipe would stop it.
            with contextlib.closing(process.stdout or io.StringIO()) as output:
                for line in output:
                    said.append(line.strip())
                    if _LISTENING in line:
                        ready.set()
            ready.set()

        threading.Thread(target=read, daemon=True).start()
        in_time = ready.wait(_START_SECONDS)
        if not in_time or not any(_LISTENING in line for line in said):
            process.kill()
            process.wait()
            self._process = None
            raise WontStart(f"rp2040py: {said[-1] if said else 'it said nothing'}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
