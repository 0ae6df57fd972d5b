"""A MicroPython node as a process: its flash a folder, its output watched."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from boards import micropython
from boards.code import mpy, stage
from boards.virtual import firmware
from boards.virtual.flaws import GOOD, Flaws
from sealcore import errors, messages
from triseal.signer import PrivateKey

_HEAP = "256k"
_KEPT = 400  # lines
_SAID = 12  # lines
_SHIM = Path(firmware.__file__).parent / "shim"
_NUMBER = "import sys; print(sys.implementation._mpy)"
# Its supply is what is cut, so that is why it starts.
_START = (
    "{bad}__import__('machine').configure('00', 1, '', {{}});"
    "import os, sys, vfs; flash = __import__('flash_posix').open_flash({root!r}, {slow});"
    "vfs.umount('/'); vfs.mount(flash, '/'); os.chdir('/'); sys.path[:] = ['', '.frozen', '/lib'];"
    "execfile('/main.py')"
)

OnTick = Callable[[str, str, bool, float], None]  # node, service, whether granted, time
OnHeld = Callable[[str, dict[str, bytes]], None]  # node, serials by service


def code() -> dict[str, bytes]:
    """The agent, compiled for the MicroPython of this computer, by path on a board."""
    number = int(micropython.run(["-c", _NUMBER]).stdout)
    return {file.path: file.data for file in stage.plan(mpy.Target.from_number(number))}


def waited(pid: int) -> float:
    """Seconds for which a process could have run, but had to wait for a processor.

    Of several threads, those of the one that has waited longest count.

    Args:
        pid: the process; 0.0 if it has ended, or where the system does not tell it.
    """
    longest = 0
    with contextlib.suppress(OSError, IndexError, ValueError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            longest = max(longest, int((thread / "schedstat").read_text().split()[1]))
    return longest / 1e9


def waits_for_disk(pid: int) -> bool:
    """Tell whether a process sleeps in the system, as it does while it writes to a busy disk.

    Args:
        pid: the process; it may have ended.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "D"
    except (OSError, IndexError):
        return False


class Board:
    """One node.

    Args:
        name: the node's.
        folder: where its flash is.
        on_tick: told of each sign of life of a service.
        on_held: told of each list of the seals that it holds.
        flaws: of its clock and its flash.

    Attributes:
        failures: times that it has failed to connect since it last was connected.
        free: bytes of its heap that were free when there were fewest.
        quarantined: services that have been, and that nobody has looked after.
        lines: the last that it printed for people.
    """

    RESET = -signal.SIGKILL  # its exit status when it resets itself

    def __init__(
        self, name: str, folder: Path, on_tick: OnTick, on_held: OnHeld, flaws: Flaws = GOOD
    ) -> None:
        self.name = name
        self._flaws = flaws
        self.flash = folder / name
        self.failures = 0
        self.free = float("inf")
        self.lines: list[str] = []
        self.quarantined: list[str] = []
        self._on_tick = on_tick
        self._on_held = on_held
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def make(self, files: dict[str, bytes], key: PrivateKey, settings: dict[str, object]) -> None:
        """Write its flash: the agent's files, what enrolment leaves, the settings."""
        sec1 = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        own = {
            "/triseal/node.key": sec1,
            "/triseal/settings.json": json.dumps(settings).encode(),
        }
        for path, data in {**files, **own}.items():
            place = self.flash / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch(0o600)
            place.write_bytes(data)

    def start(self) -> None:
        """Power on."""
        self.failures = 0  # it has forgotten them
        bad = self._flaws.inside
        start = _START.format(
            bad=f"__import__('flaws').apply(*{bad!r});" if bad else "",
            root=str(self.flash),
            slow=self._flaws.slow_flash,
        )
        self._process = subprocess.Popen(
            [micropython.find(), "-X", f"heapsize={_HEAP}", "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MICROPYPATH": f"{_SHIM}:.frozen"},
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def cut(self) -> None:
        """Power off, in the middle of whatever it does."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._reader is not None:
            self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what it was told last is lost
                    pipe.close()
        self._process = None

    def freeze(self) -> None:
        """It stands still."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def ended(self) -> int | None:
        """The exit status of a process that ended by itself; None if it is well."""
        return None if self._process is None else self._process.poll()

    def revive(self) -> bool:
        """Start it again if it has reset itself; tell whether it has."""
        if self.ended() != self.RESET:
            return False
        self.cut()
        self.start()
        return True

    @property
    def pid(self) -> int:
        """Of its process; 0 if it is off."""
        return 0 if self._process is None else self._process.pid

    def ask(self) -> None:
        """Have it tell which seals it holds; `on_held` is called when it does."""
        message = messages.write(messages.ASK, secrets.token_bytes(16))
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has just reset itself
                self._process.stdin.write(b"~" + base64.b64encode(message) + b"\n")
                self._process.stdin.flush()

    def words(self, service: str) -> str:
        """What it printed last about a service, and about the link."""
        said = [line for line in self.lines if service in line or " link: " in line]
        return " | ".join(said[-_SAID:])

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            if line[:1] == b"!":
                # When it was said, not when it is read: this process may be late on a busy machine.
                service, granted, ms = line[1:].decode().split()
                self._on_tick(self.name, service, granted == "1", int(ms) / 1000)
            elif line[:1] == b"~":
                self._take(line[9:])  # behind the mark
            else:
                self._note(line.decode(errors="replace").strip())

    def _note(self, text: str) -> None:
        if text.startswith("triseal: ") and " quarantined: " in text:
            self.quarantined.append(text.split()[1])
        if text.startswith("triseal: link:"):
            self.failures += 1
        if text:
            self.lines = [*self.lines[-_KEPT:], f"{time.time():.1f} {text}"]

    def _take(self, line: bytes) -> None:
        try:
            kind, values = messages.parse(base64.b64decode(line))
        except (errors.SealError, ValueError):
            self._note(f"unreadable: {line!r}")
            return
        if kind == messages.STATUS:
            self.free = min(self.free, values[4])
            self._note(f"free: {values[4]}")
        if kind == messages.HELLO:
            self._on_held(self.name, {service: serial for service, serial, _ in values[-1]})
