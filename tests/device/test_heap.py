"""Boards with small heaps: the agent, two services, and what is said over the line."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boards import micropython
from boards.code import mpy, stage
from sealcore import keys, messages, proof
from tests.device.conftest import ECHO, TICKER
from tests.device.node import NAME, put
from tests.device.site import Site

ROOT = Path(__file__).resolve().parent.parent.parent
NONCE = bytes(range(16))
SHIM = ROOT / "tools/boards/virtual/shim/flash_posix.py"
# What firmware would have done before main.py; the virtual board's own part would take 5 KiB.
FIRMWARE = """\
import vfs
vfs.mount(vfs.VfsPosix({flash!r}), '/triseal')
execfile({main!r})
"""
# Boards have 8 KiB of stack, and frames of half the size. A thread is held to its own, less some
# 8 KiB; a path that is looked up takes 4 KiB of it here, and 128 bytes on a board.
FIRMWARE_WITH_A_SMALL_STACK = """\
import _thread, flash_posix, time, vfs
vfs.mount(flash_posix.open_flash({flash!r}), '/triseal')
_thread.stack_size(40960)
_thread.start_new_thread(execfile, ({main!r},))
while True:
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_library(tmp_path_factory.mktemp("lib"))


def write_library(folder: Path) -> Path:
    """Write sealcore and nlsm as a board gets them."""
    for file in stage.plan(mpy.Target(6, 3, "")):
        if file.path != stage.MAIN:
            path = folder / file.path.removeprefix("/lib/")
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(file.data)
    (folder / "flash_posix.mpy").write_bytes(mpy.compile_source(SHIM.read_bytes(), "flash_posix"))
    return folder


class Board:
    """The agent in a plain MicroPython, its console a pair of pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.printed: list[str] = []

    def send(self, kind: int, *values: object) -> None:
        assert self._process.stdin
        line = b"~" + base64.b64encode(messages.write(kind, *values)) + b"\n"
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def read(self, kind: int) -> tuple[object, ...]:
        """The next message of this kind."""
        assert self._process.stdout
        for line in self._process.stdout:
            if len(line) > 10 and line.startswith(b"~"):  # not that it has taken a piece
                found, values = messages.parse(base64.b64decode(line[9:]))
                if found == kind:
                    return tuple(values)
            else:
                self.printed.append(line.decode())
        raise AssertionError("".join(self.printed))

    def ask(self) -> tuple[object, ...]:
        """STATUS."""
        nonce = secrets.token_bytes(16)
        self.send(messages.ASK, nonce)
        status = self.read(messages.STATUS)
        assert status[0] == nonce
        return status


@contextmanager
def started(
    flash: Path, library: Path | None, heap: str, tmp_path: Path, firmware: str = FIRMWARE
) -> Iterator[Board]:
    """The agent on a heap of this size; without a library it is frozen."""
    script = tmp_path / "firmware.py"
    script.write_text(firmware.format(flash=str(flash), main=str(ROOT / "device/main.py")))
    with subprocess.Popen(
        [micropython.find(), "-X", f"heapsize={heap}", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "MICROPYPATH": f"{library}:.frozen" if library else ".frozen"},
    ) as process:
        try:
            yield Board(process)
        finally:
            process.kill()


@pytest.fixture
def two(site: Site, spki: bytes, directory: Path) -> Path:
    """The flash of a node with two services."""
    for name, source in (("ticker", TICKER), ("echo", ECHO)):
        deploy(site, spki, directory, name, source)
    return directory / "flash/triseal"


def deploy(site: Site, spki: bytes, directory: Path, name: str, source: bytes) -> None:
    """Lay a service onto the flash of a node."""
    grants = ("log", "bus.publish:home/#", "bus.subscribe:home/#")
    code = mpy.compile_source(source, "app")
    made = site.deploy(name, code, NAME, spki, entry="app.mpy", grants=grants)
    put(directory / "flash", made)


def tell_time(board: Board, site: Site, *services: str) -> None:
    """Have it started, and see that its services run."""
    board.ask()
    hello = board.read(messages.HELLO)
    board.send(messages.TIME, site.time(bytes(hello[2])))  # type: ignore[call-overload]
    status = board.ask()
    states = {one[0]: messages.STATES[one[1]] for one in status[5]}  # type: ignore[attr-defined]
    assert states == dict.fromkeys(services, "running"), (board.printed, status)
    print(f"free with its services: {status[4]} bytes")


def test_two_services_run_on_88_kib(site: Site, two: Path, library: Path, tmp_path: Path) -> None:
    with started(two, library, "80k", tmp_path) as board:
        tell_time(board, site, "ticker", "echo")


def test_the_link_over_the_line_runs_on_160_kib_and_a_small_stack(
    site: Site, spki: bytes, two: Path, library: Path, tmp_path: Path
) -> None:
    with started(two, library, "160k", tmp_path, FIRMWARE_WITH_A_SMALL_STACK) as board:
        tell_time(board, site, "ticker", "echo")
        board.send(messages.PROVE, NONCE)
        (signature,) = board.read(messages.PROOF)
        keys.parse(spki).verify(proof.tbs(NAME, NONCE), signature)
        board.ask()
        hello = board.read(messages.HELLO)
        board.send(messages.WELCOME, site.time(bytes(hello[2])), b"")  # type: ignore[call-overload]
        board.send(messages.RENEWNOW, ["ticker", "echo"])
        _, wanted = board.read(messages.RENEW)
        assert {one[0] for one in wanted} == {"ticker", "echo"}  # type: ignore[attr-defined]
        replace(board, site, spki)


def replace(board: Board, site: Site, spki: bytes) -> None:
    """Have it fetch another version of a service, check it and run it."""
    code = mpy.compile_source(TICKER + b"VERSION = 2\n", "app")
    grants = ("bus.publish:home/#",)
    made = site.deploy("ticker", code, NAME, spki, entry="app.mpy", grants=grants, version="2.0.0")
    seal = made.files.pop("site.der")
    files = {hashlib.sha256(data).digest(): (name, data) for name, data in made.files.items()}
    listed = [(name, len(data), digest) for digest, (name, data) in files.items()]
    board.send(messages.ASSIGN, "ticker", seal, listed)
    for _ in files:
        digest, offset, length = board.read(messages.FETCH)
        assert isinstance(offset, int)
        assert isinstance(length, int)
        piece = files[bytes(digest)][1][offset : offset + length]  # type: ignore[call-overload]
        board.send(messages.CHUNK, digest, offset, piece)
    while (report := board.read(messages.REPORT))[2] != messages.STATES.index("running"):
        assert report[3] == "", (report, board.printed)
    assert {one[0]: one[4] for one in board.ask()[5]}["ticker"] == "2.0.0"  # type: ignore[attr-defined]
