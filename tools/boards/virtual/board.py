"""A virtual board: a real MicroPython behind a port that looks like a board's to mpremote."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from boards.errors import BoardTimeout, WontStart
from boards.virtual import names, pins
from boards.virtual.firmware import Filesystem, Firmware
from boards.virtual.flaws import GOOD, Flaws
from boards.virtual.holder import Holder

__all__ = ["Filesystem", "VirtualBoard", "serve"]

_START_TIMEOUT = 30.0


class VirtualBoard:
    """A board with its own interpreter, port, flash, heap limit, identity and pins.

    A context manager: the port exists inside the block. Everything that outlives a run is in
    `directory`: `flash/` or `flash.img`, `unique_id`, `pins/`.

    Attributes:
        directory: folder of its state.
        flash: the folder or LittleFS image that is its flash.
    """

    def __init__(
        self,
        directory: Path | str,
        heap: str = "256k",
        filesystem: Filesystem = "posix",
        *,
        flash_size: int = 1 << 20,
        read_only: bool = False,
        watchdog: int = 8388,
        flaws: Flaws = GOOD,
        partition: int = 0,
    ) -> None:
        """Describe a board; nothing runs yet.

        Args:
            directory: folder for its state, made if it is not there; one board at a time uses it.
            heap: size of the Python heap as `-X heapsize` takes it, for example "64k".
            filesystem: "posix" (a folder) or "littlefs" (an image, the format of real boards).
            flash_size: bytes of a new LittleFS image, a multiple of 4096.
            read_only: mount the flash so that it can't be written.
            watchdog: the longest time, in ms, of its hardware watchdog (by default that
                of an RP2040); 0 for none.
            flaws: its flaws.
            partition: bytes of each of two app partitions, as boards of the ESP32 family may have
                them; 0 for none.

        Raises:
            ValueError: heap, size, watchdog or partition is out of range.
        """
        self.directory = Path(directory).absolute()
        self._firmware = Firmware(
            self.directory, heap, filesystem, flash_size, read_only, watchdog, flaws, partition
        )
        self._brown_out = flaws.brown_out
        self.flash = self._firmware.flash
        self._holder: Holder | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Power it on, and return when its flash is mounted and its port takes input.

        Raises:
            NoMicroPython: there is no interpreter to run.
            AlreadyRunning: another process runs a board in this directory.
            WontStart: the interpreter ends before it is ready.
        """
        self._firmware.lock.acquire()
        try:
            self._firmware.prepare()
            holder = Holder(
                lambda launch: self._firmware.start(launch, holder.terminal.leash), self._brown_out
            )
            self._holder = holder
            self._thread = threading.Thread(target=holder.run, name="virtual-board", daemon=True)
            self._thread.start()
            self.power_on()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cut its power and remove its port."""
        self.close()

    def close(self) -> None:
        """Cut its power and remove its port; does nothing the second time."""
        if self._thread is not None and self._thread.is_alive():
            self._running.submit(self._running.end)
            self._thread.join()
        self._holder = self._thread = None
        self._firmware.lock.release()

    @property
    def port(self) -> str:
        """The path of its port, for example /dev/pts/3."""
        return self._running.terminal.port

    @property
    def starts(self) -> int:
        """How often it has started so far: power-on, hard and soft resets."""
        return self._running.power.starts.count

    @property
    def failure(self) -> str | None:
        """The reason why its interpreter does not start any more, or None."""
        return self._running.power.starts.failure

    def reset(self) -> None:
        """Press its reset button, and return when it takes input again."""
        self._restart(self._running.power.reset)

    def power_on(self) -> None:
        """Give it power, unless it has power, and return when it takes input."""
        if not self._running.power.is_on:
            self._running.power.starts.expect()
            self._restart(self._running.power.on)

    def power_cut(self) -> None:
        """Cut its power: memory is lost, the flash and the port stay."""
        self._running.submit(self._running.power.cut)
        pins.release(self.directory / "pins")

    def freeze(self) -> None:
        """Stop its clock: it answers nothing, and loses nothing."""
        self._running.submit(self._running.power.freeze)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._running.submit(self._running.power.thaw)

    def pin(self, number: int | str) -> tuple[int, int]:
        """Return the state of a pin.

        Args:
            number: the pin, as the board's program names it.

        Returns:
            Its value, and how often the value has changed. (0, 0) for a pin that nobody has used.
        """
        return pins.read(self.directory / "pins" / str(number))[:2]

    def output(self, number: int | str) -> int | None:
        """Return the value to which the board drives a pin.

        Args:
            number: the pin, as the board's program names it.

        Returns:
            0 or 1; None if it is no output: it is an input, or no program has made it an output
            since the last loss of power or hard reset.
        """
        return pins.read(self.directory / "pins" / str(number)).driven

    def set_pin(self, number: int | str, value: int) -> None:
        """Drive an input of the board from outside.

        Args:
            number: the pin.
            value: 0 or 1.
        """
        pins.drive(self.directory / "pins" / str(number), value)

    @property
    def _running(self) -> Holder:
        if self._holder is None:
            raise RuntimeError("the board is used outside of its `with` block")
        return self._holder

    def _restart(self, job: Callable[[], None]) -> None:
        starts = self._running.power.starts
        number = starts.count + 1
        self._running.submit(job)
        if not starts.wait(number, _START_TIMEOUT):
            raise BoardTimeout(f"the virtual board did not start in {_START_TIMEOUT:.0f} s")
        if starts.failure is not None:
            raise WontStart(starts.failure)


def serve(
    name: str,
    ready: Callable[[str, Path], None],
    *,
    heap: str = "256k",
    filesystem: Filesystem = "posix",
    flaws: Flaws = GOOD,
    partition: int = 0,
) -> None:
    """Run the virtual board `name` until Ctrl-C or SIGTERM; other processes reach it by name.

    Args:
        name: letters, digits, dots, dashes and underscores.
        ready: called once with its port and with a link to it, which is the same in every run.
        heap: as for `VirtualBoard`.
        filesystem: as for `VirtualBoard`.
        flaws: as for `VirtualBoard`.
        partition: as for `VirtualBoard`.

    Raises:
        BadName, AlreadyRunning, NoMicroPython, WontStart: it can't run.
    """
    folder = names.directory(name)
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        with (
            VirtualBoard(folder, heap, filesystem, flaws=flaws, partition=partition) as board,
            names.published(folder, board.port) as link,
        ):
            ready(board.port, link)
            while not stop.wait(0.2):
                if board.failure is not None:
                    raise WontStart(board.failure)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
