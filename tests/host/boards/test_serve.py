"""A virtual board in the foreground, reached from other processes by its name."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards import lock
from boards.board import Board
from boards.errors import AlreadyRunning, BadName, NotRunning
from boards.virtual import names
from boards.virtual.board import VirtualBoard, serve

SERVE = """
import sys
from boards.errors import BoardError
from boards.virtual.board import serve
try:
    serve(sys.argv[1], lambda port, link: print(port, link, flush=True))
except BoardError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""


class Servers:
    """Starts virtual boards in processes of their own, and ends them."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []

    def start(self, name: str) -> tuple[subprocess.Popen[str], list[str]]:
        """The process, and the words of its first line: port and link."""
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self._running.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().split()

    def end(self) -> None:
        for process in self._running:
            process.terminate()
            process.communicate()


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Processes that share one state folder with the test."""
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path))
    running = Servers()
    yield running
    running.end()


def test_a_board_is_reached_by_name_until_its_process_ends(servers: Servers) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process, (port, link) = servers.start("kitchen")
        assert names.resolve("virtual:kitchen") == port == str(Path(link).readlink())
        with Board("virtual:kitchen") as board:
            board.write(f"/{number.name}", b"")
        process.send_signal(number)
        assert process.wait(10) == 0
        assert not Path(link).is_symlink()
        with pytest.raises(NotRunning, match="kitchen"):
            names.resolve("virtual:kitchen")
    servers.start("kitchen")
    with Board("virtual:kitchen") as board:
        assert board.listdir("/") == ["SIGHUP", "SIGINT", "SIGTERM", "lib"]


def test_a_killed_process_leaves_nothing_in_the_way(servers: Servers) -> None:
    for _ in range(2):
        process, (port, _) = servers.start("kitchen")
        assert names.resolve("virtual:kitchen") == port
        process.kill()
        process.wait()
        process, words = servers.start("kitchen")
        assert len(words) == 2
        process.terminate()
        assert process.wait(10) == 0
    with pytest.raises(NotRunning):
        Board("virtual:kitchen")


@pytest.mark.skipif(sys.platform != "linux", reason="terminals hang up sessions on Linux only")
def test_an_interpreter_ends_with_its_holder_whatever_it_runs(servers: Servers) -> None:
    process, _ = servers.start("kitchen")
    with Board("virtual:kitchen") as board:
        board.write("/main.py", b"import micropython\nmicropython.kbd_intr(-1)\nwhile True: pass\n")
        board.soft_reset()
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while lock.is_held(names.directory("kitchen") / "lock"):
        assert time.monotonic() < end, "the interpreter goes on"
        time.sleep(0.005)


def test_the_same_name_twice_is_one_error(servers: Servers) -> None:
    servers.start("kitchen")
    second, words = servers.start("kitchen")
    assert words == []
    assert second.wait(10) == 1
    assert second.stderr is not None
    message = second.stderr.read()
    assert message.startswith("board-already-running: kitchen is run by process ")
    assert message.count("\n") == 1
    servers.start("hall")
    with Board("virtual:kitchen") as kitchen, Board("virtual:hall") as hall:
        assert kitchen.facts().unique_id != hall.facts().unique_id


def test_a_board_run_by_directory_is_not_reached_by_name(servers: Servers, tmp_path: Path) -> None:
    with VirtualBoard(names.directory("kitchen")):
        with pytest.raises(NotRunning):
            names.resolve("virtual:kitchen")
        with pytest.raises(AlreadyRunning):
            serve("kitchen", lambda *_: None)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "-x", "a b", "ä", "x" * 65, "a\n"])
def test_what_is_no_name_is_refused(name: str, servers: Servers) -> None:
    with pytest.raises(BadName):
        serve(name, lambda *_: None)
    with pytest.raises(BadName):
        names.resolve(f"virtual:{name}")


def test_other_ports_are_left_as_they_are() -> None:
    for port in ("/dev/ttyACM0", "COM3", "socket://host:1", "VIRTUAL:x"):
        assert names.resolve(port) == port
