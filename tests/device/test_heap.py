"""Boards with small heaps: the agent, two services, and what is said over the line."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boards import micropython, mpy, stage
from sealcore import keys, messages, proof
from tests.device.conftest import ECHO, TICKER
from tests.device.node import NAME, put
from tests.device.site import Site

ROOT = Path(__file__).resolve().parent.parent.parent
NONCE = bytes(range(16))
# What firmware would have done before main.py; the virtual board's own part would take 5 KiB.
MOUNT = "import vfs;vfs.mount(vfs.VfsPosix({flash!r}),'/triseal')\nexecfile({main!r})\n"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sealcore and nlsm as a board gets them."""
    folder = tmp_path_factory.mktemp("lib")
    for file in stage.plan(mpy.Target(6, 3, "")):
        if file.path != stage.MAIN:
            path = folder / file.path.removeprefix("/lib/")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(file.data)
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
            if len(line) > 2 and line.startswith(b"~"):  # not that it has taken a piece
                found, values = messages.parse(base64.b64decode(line[1:]))
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
def started(flash: Path, library: Path, heap: str, tmp_path: Path) -> Iterator[Board]:
    """The agent on a heap of this size."""
    script = tmp_path / "firmware.py"
    script.write_text(MOUNT.format(flash=str(flash), main=str(ROOT / "device/main.py")))
    with subprocess.Popen(
        [micropython.find(), "-X", f"heapsize={heap}", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "MICROPYPATH": f"{library}:.frozen"},
    ) as process:
        try:
            yield Board(process)
        finally:
            process.kill()


@pytest.fixture
def two(site: Site, spki: bytes, directory: Path) -> Path:
    """The flash of a node with two services."""
    grants = ("log", "bus.publish:home/#", "bus.subscribe:home/#")
    for name, source in (("ticker", TICKER), ("echo", ECHO)):
        code = mpy.compile_source(source, "app")
        made = site.deploy(name, code, NAME, spki, entry="app.mpy", grants=grants)
        put(directory / "flash", made)
    return directory / "flash/triseal"


def tell_time(board: Board, site: Site) -> None:
    """Have it started, and see that both services run."""
    board.ask()
    hello = board.read(messages.HELLO)
    board.send(messages.TIME, site.time(bytes(hello[2])))  # type: ignore[call-overload]
    status = board.ask()
    states = {one[0]: messages.STATES[one[1]] for one in status[5]}  # type: ignore[attr-defined]
    assert states == {"ticker": "running", "echo": "running"}, (board.printed, status)
    print(f"free with two services: {status[4]} octets")


def test_two_services_run_on_64_kib(site: Site, two: Path, library: Path, tmp_path: Path) -> None:
    with started(two, library, "64k", tmp_path) as board:
        tell_time(board, site)


def test_the_link_over_the_line_runs_on_128_kib(
    site: Site, spki: bytes, two: Path, library: Path, tmp_path: Path
) -> None:
    with started(two, library, "128k", tmp_path) as board:
        tell_time(board, site)
        board.send(messages.PROVE, NONCE)
        (signature,) = board.read(messages.PROOF)
        keys.parse(spki).verify(proof.tbs(NAME, NONCE), signature)
        board.ask()
        hello = board.read(messages.HELLO)
        board.send(messages.WELCOME, site.time(bytes(hello[2])), b"")  # type: ignore[call-overload]
        board.send(messages.RENEWNOW, ["ticker", "echo"])
        (wanted,) = board.read(messages.RENEW)
        assert {one[0] for one in wanted} == {"ticker", "echo"}  # type: ignore[attr-defined]
