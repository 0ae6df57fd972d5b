"""The parts of a virtual board: its folder, and the command that runs it."""

import contextlib
import functools
import os
import re
import secrets
from pathlib import Path
from typing import Literal

from boards import micropython, state_folder
from boards.code import mpy, shorten
from boards.lock import Lock
from boards.virtual import partitions, pins
from boards.virtual.flaws import Flaws
from boards.virtual.power import SOFT_RESET, Launch
from boards.virtual.process import Process

Filesystem = Literal["posix", "littlefs"]

_SHIM = Path(__file__).parent / "shim"
_HEAP = re.compile(r"[1-9][0-9]*[kKmM]?")
_BLOCK = 4096
_SMALLEST = 8 * _BLOCK
_LARGEST = 1 << 24


class Firmware:
    """The folder and the settings of one board.

    Attributes:
        directory: the folder.
        flash: in it, the folder or image that is the board's flash.
        lock: held while it runs, also by its interpreter.
    """

    def __init__(
        self,
        directory: Path,
        heap: str,
        filesystem: Filesystem,
        flash_size: int,
        read_only: bool,
        watchdog: int,
        flaws: Flaws,
        partition: int = 0,
    ) -> None:
        """Take the arguments of `VirtualBoard`.

        Args:
            directory: folder for its state.
            heap: size of the heap, for example "64k".
            filesystem: "posix" or "littlefs".
            flash_size: bytes of a new image.
            read_only: whether the flash can't be written.
            watchdog: longest time in ms; 0 for none.
            flaws: its flaws.
            partition: bytes of each of two app partitions; 0 for none.

        Raises:
            ValueError: heap, flash size, watchdog or partition is out of range.
        """
        if not 0 <= partition <= _LARGEST or partition % partitions.BLOCK:
            raise ValueError(f"not the size of a partition: {partition}")
        if not _HEAP.fullmatch(heap):
            raise ValueError(f"not a heap size: {heap}")
        if flash_size % _BLOCK or flash_size < _SMALLEST:
            raise ValueError(f"the flash size must be a multiple of {_BLOCK}, at least {_SMALLEST}")
        if not 0 <= watchdog < 1 << 32:
            raise ValueError(f"not a watchdog's longest time in ms: {watchdog}")
        self.directory = directory
        self.flash = directory / ("flash" if filesystem == "posix" else "flash.img")
        self.lock = Lock(directory / "lock")
        self._heap = heap
        self._filesystem = filesystem
        self._flash_size = flash_size
        self._read_only = read_only
        self._watchdog = watchdog
        self._flaws = flaws
        self._partition = partition
        self._slot = 0
        self._interpreter = ""

    def prepare(self) -> None:
        """Find the interpreter, and make the files that are missing in the folder.

        Raises:
            NoMicroPython: there is no interpreter to run.
        """
        self._interpreter = micropython.find()
        state_folder.make(self.directory / "pins")
        self._make_flash()
        if self._partition:
            partitions.make(self.directory / partitions.FOLDER, self._partition)
        for name, compiled in _shim().items():
            state_folder.write(self.directory / "shim" / name, compiled)
        identity = self.directory / "unique_id"
        if not identity.exists():
            state_folder.write(identity, secrets.token_hex(8).encode())

    def start(self, launch: Launch, leash: str) -> Process:
        """Start an interpreter.

        Args:
            launch: how it starts.
            leash: the terminal that it opens, so that it ends with this process.
        """
        if launch.cause != SOFT_RESET:
            pins.release(self.directory / "pins")
        late: dict[str, tuple[object, ...]] = {"Pin": (str(self.directory / "pins"),)}
        if self._watchdog:
            late["WDT"] = (launch.watchdog, self._watchdog)
        # In the order of `virtual_board.boot`: names of arguments would stay on the board's heap.
        hardware = (
            (self.directory / "unique_id").read_text(),
            launch.cause,
            str(self.directory / "shim"),
            late,
        )
        program, app = self._program(launch)
        arguments = (
            f"flash_{self._filesystem}",
            str(self.flash),
            self._flaws.slow_flash,
            self._read_only,
            hardware,
            app,
            self._flaws.inside,
            launch.token,
            launch.raw,
            launch.interrupted,
            leash,
        )
        code = f'__import__("virtual_board").boot({arguments!r})(globals())'
        command = [*program, "-X", f"heapsize={self._heap}", "-i", "-c", code]
        # A board has no environment, and a service that runs here must not see this computer's.
        environment = {
            "MICROPYPATH": f"{self.directory / 'shim'}:.frozen",
            "HOME": str(self.directory),
            "PATH": os.defpath,
        }
        kept = [*self.lock.descriptors, launch.watchdog]
        process = Process(command, launch.stdin, self.directory, environment, kept)
        self.lock.note(f"{os.getpid()} {process.pid}")
        return process

    def _program(self, launch: Launch) -> tuple[list[str], tuple[str, int, int] | None]:
        """Return the command of the interpreter, and what its `esp32` needs, if it has one."""
        if not self._partition:
            return [self._interpreter], None
        folder = self.directory / partitions.FOLDER
        if launch.cause != SOFT_RESET:
            self._slot = partitions.select(folder)
        return partitions.command(folder, self._slot), (str(folder), self._slot, self._partition)

    def _make_flash(self) -> None:
        if self._filesystem == "posix":
            state_folder.make(self.flash / "lib")
        else:
            with contextlib.suppress(FileExistsError), self.flash.open("xb") as image:
                image.truncate(self._flash_size)


@functools.cache
def _shim() -> dict[str, bytes]:
    """Return the modules that make a board of the interpreter, by name.

    They are compiled, so that they take as little of the board's heap as possible; once for all
    boards of a process, since this takes longer than the start of a board.
    """
    sources = mpy.read_sources(_SHIM)
    sources = shorten.attributes(sources, shorten.used_elsewhere(sources))
    return {
        name.replace(".py", ".mpy"): mpy.compile_source(source, name[:-3], level=3)
        for name, source in sources.items()
    }
