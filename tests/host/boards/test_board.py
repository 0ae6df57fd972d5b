"""A board over its port: what it answers, and one clear error for everything else."""

import os
import pty
import select
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from boards import device_errors, literals
from boards.board import Board
from boards.errors import (
    BadName,
    BoardError,
    BoardGone,
    BoardTimeout,
    DeviceFailed,
    FileMissing,
    FlashFull,
    FlashReadOnly,
    NoAnswer,
    NoPort,
    NotASerialPort,
    NotRunning,
    OutOfMemory,
    PortBusy,
)
from boards.facts import Facts
from boards.port import Port
from boards.virtual.board import VirtualBoard
from tests.full import OneOf


@pytest.fixture
def virtual(tmp_path: Path) -> Iterator[VirtualBoard]:
    """A board that is its test's own."""
    with VirtualBoard(tmp_path / "board") as board:
        yield board


def install_main(virtual: VirtualBoard, text: str) -> None:
    """Let the board run a program, from its next start on: what runs now could still find it."""
    virtual.power_cut()
    (virtual.flash / "main.py").write_text(text)
    virtual.power_on()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what a program on a board does."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_code_runs_and_its_output_comes_back(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        assert board.exec("print('hä', end='')") == "hä"
        assert board.exec("print('x' * 20000)") == "x" * 20000 + "\n"
        assert board.exec("x = 5") == ""
        assert board.exec("print(x)") == "5\n"


def test_functions_are_called_with_values(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        assert board.call("os.listdir", "/") == ["lib"]
        assert board.call("binascii.hexlify", b"\x00\xff") == b"00ff"
        assert board.call("time.sleep_ms", 1) is None
        with pytest.raises(DeviceFailed, match="no module named"):
            board.call("nothing.there")
        with pytest.raises(DeviceFailed, match="no value"):
            board.call("builtins.iter", [])
    with pytest.raises(DeviceFailed, match="no value"):
        literals.value("[" + "1," * 40000 + "]")  # a thousand times as many would take all memory


# What a board answers that is no MicroPython, or a hostile one.
ANSWERS = (
    "",
    "-",
    "x y",
    "1",
    "('heap',)",
    "(1, 2)",
    "('heap', 'x')",
    "('version', (1, 'x', 3))",
    "('mpy', -5000000)",
    "['a', 1, {}]",
    "{[]: 1}",
    "(" * 3000,
    "-" * 20000 + "1",
    "9" * 6000,
    "ff",
    "\x1b[2J",
)
ASKED: tuple[tuple[Callable[[Board], object], type], ...] = (
    (lambda board: board.facts(), Facts),
    (lambda board: board.tree("/"), dict),
    (lambda board: board.listdir("/"), list),
    (lambda board: board.read("/main.py"), bytes),
    (lambda board: board.hash("/main.py"), bytes),
    (lambda board: board.hashes(["/main.py", "/x"]), dict),
    (lambda board: board.call("os.getcwd"), object),
)


def test_whatever_a_board_answers_is_a_value_or_one_error(virtual: VirtualBoard) -> None:
    (virtual.flash / "main.py").write_text("1")
    with Board(virtual.port) as board:
        board.exec("_print = print\ndef print(*_): _print(answer)")
        for answer in ANSWERS:
            board.exec(f"answer = {answer!r}")
            for ask, kind in ASKED:
                with suppress(BoardError):
                    assert isinstance(ask(board), kind), (answer, kind)


def test_facts_are_those_of_the_board(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        facts = board.facts()
    assert facts.implementation == "micropython"
    assert facts.version >= (1, 22)
    assert facts.target.version == 6
    assert facts.unique_id == (virtual.directory / "unique_id").read_text()
    assert 0 < facts.heap_free < facts.heap_size <= 256 << 10
    assert 0 < facts.flash_free < facts.flash_size


def test_soft_reset_lets_main_run_and_exec_stops_it(virtual: VirtualBoard) -> None:
    install_main(virtual, "print('main is up')\nwhile True:\n    pass\n")
    with Board(virtual.port) as board:
        for _ in range(3):
            board.soft_reset()
            assert board.wait_for("up") == "main is up"
            assert board.exec("print('stopped')") == "stopped\n"
        board.reset()
        board.wait_for("main is up")
        assert board.exec("print('stopped')") == "stopped\n"


def test_a_closed_board_is_at_its_prompt_for_the_next_user(virtual: VirtualBoard) -> None:
    for _ in range(3):
        with Board(virtual.port) as board:
            assert board.exec("print('here')") == "here\n"


# What a board's tracebacks end with, and what that is for the host.
TRACEBACKS = (
    ("ZeroDivisionError: divide by zero", DeviceFailed),
    ("OSError: [Errno 2] ENOENT", FileMissing),
    ("OSError: 2", FileMissing),
    ("OSError: [Errno 28] ENOSPC", FlashFull),
    ("OSError: 28", FlashFull),
    ("OSError: [Errno 30] EROFS", FlashReadOnly),
    ("OSError: [Errno 5] EIO", DeviceFailed),
    ("OSError: (-17040, 'ERR')", DeviceFailed),
    ("MemoryError: memory allocation failed, allocating 9 bytes", OutOfMemory),
    ("MemoryError: ", OutOfMemory),
    ("OSError: " + "2" * 400, DeviceFailed),
    ("Expired: expired", DeviceFailed),
)


@pytest.mark.parametrize(("last", "kind"), TRACEBACKS)
def test_tracebacks_become_errors(last: str, kind: type[DeviceFailed]) -> None:
    text = (
        f'Traceback (most recent call last):\r\n  File "<stdin>", line 1, in <module>\r\n{last}\r\n'
    )
    error = device_errors.from_traceback(text)
    assert type(error) is kind
    assert error.detail == last.strip()
    assert error.traceback == text
    assert "\n" not in str(error)


def test_a_traceback_of_any_length_is_one_line_to_read() -> None:
    for last in ("OSError: " + "2" * 6000, "x" * 100000):
        assert len(str(device_errors.from_traceback(last))) < 600


def test_a_device_error_carries_its_traceback(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        for code, kind in (("1/0", DeviceFailed), ("open('/no')", FileMissing)):
            with pytest.raises(kind) as caught:
                board.exec(f"def f():\n    {code}\nf()")
            assert "line 2, in f" in caught.value.traceback
        with pytest.raises(OutOfMemory):
            board.exec("bytearray(10**6)")
        with pytest.raises(DeviceFailed, match="SyntaxError"):
            board.exec("print(")
        assert board.exec("print('goes on')") == "goes on\n"


# (what is wrong, what is asked for, which error)
NO_BOARDS = (
    ("there is no such port", "/dev/does-not-exist", NoPort),
    ("it is a file", __file__, NotASerialPort),
    ("it is a folder", "/", NotASerialPort),
    ("it is no path at all", "", NoPort),
    ("nobody listens", "socket://127.0.0.1:1", NotASerialPort),
    ("it is a URL of no kind", "gopher://x", NotASerialPort),
    ("no such virtual board runs", "virtual:nobody", NotRunning),
    ("a virtual board's name is none", "virtual:../x", BadName),
    ("a virtual board's name is empty", "virtual:", BadName),
)


@pytest.mark.parametrize(("sentence", "port", "kind"), NO_BOARDS)
def test_what_is_no_port_is_one_error(
    sentence: str,
    port: str,
    kind: type[BoardError],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path))
    with pytest.raises(kind) as caught:
        Board(port)
    assert "\n" not in str(caught.value), sentence
    assert caught.value.advice


def test_a_port_in_use_is_told(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        with pytest.raises(PortBusy, match="in use"):
            Board(virtual.port)
        assert board.exec("print('undisturbed')") == "undisturbed\n"


def test_a_port_that_was_given_up_is_free_though_a_process_has_inherited_it(
    virtual: VirtualBoard,
) -> None:
    """As one has between its fork and its exec, whatever another thread of this program starts."""
    with Board(virtual.port) as board:
        inherited = os.dup(board._serial.fileno())
    try:
        with Board(virtual.port) as board:
            assert board.exec("print('free')") == "free\n"
    finally:
        os.close(inherited)


def silent(_: bytes) -> bytes:
    """A device that says nothing."""
    return b""


def echo(data: bytes) -> bytes:
    """A device that repeats what it hears."""
    return data


def chatty(_: bytes) -> bytes:
    """A device that speaks another protocol, at length."""
    return b"$GPGGA,123519,4807.038,N,01131.000,E,1,08*47\r\n" * 20


def test_a_board_that_never_stops_talking_holds_nobody_up() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    ended = threading.Event()

    def flood() -> None:
        while not ended.is_set():
            if select.select([], [master], [], 0.05)[1]:
                os.write(master, b"x" * 500)

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    try:
        with Port(os.ttyname(slave)) as port, pytest.raises(BoardTimeout):
            port.wait_for("nothing of the kind", 0.5)
    finally:
        ended.set()
        thread.join()
        os.close(slave)
        os.close(master)


@pytest.mark.parametrize("device", [silent, echo, chatty])
def test_what_is_not_micropython_is_told(device: Callable[[bytes], bytes]) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            data = os.read(master, 1000)
            os.write(master, device(data))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with Board(os.ttyname(slave), patience=0.6) as board, pytest.raises(NoAnswer):
            board.exec("print(1)")
    finally:
        ended.set()
        os.write(slave, b"wake")
        thread.join()
        os.close(slave)
        os.close(master)


# Programs that a board may run when somebody wants to talk to it.
INTERRUPTIBLE = (
    ("it sleeps", "import time\nwhile True: time.sleep(1)"),
    ("it is busy", "while True: pass"),
    ("it prints without end", "while True: print('x' * 50)"),
    ("it reads its console", "import sys\nwhile True: sys.stdin.read(1)"),
    ("it is asynchronous", "import asyncio\nasyncio.run(asyncio.sleep(1000))"),
    ("it has failed", "raise ValueError('broken')"),
    ("it resets softly again and again", "raise SystemExit"),
    ("it resets again and again", "import machine\nmachine.reset()"),
    ("it catches one interrupt", "try:\n while True: pass\nexcept KeyboardInterrupt: pass\n"),
)


@pytest.mark.parametrize(("sentence", "program"), INTERRUPTIBLE)
def test_a_board_is_reached_whatever_it_runs(
    virtual: VirtualBoard, sentence: str, program: str
) -> None:
    install_main(virtual, program + "\n")
    with Board(virtual.port) as board:
        assert board.exec("print('reached')") == "reached\n", sentence


def test_a_program_that_cant_be_interrupted_is_told(virtual: VirtualBoard) -> None:
    program = "import machine, micropython\nmicropython.kbd_intr(-1)\nmachine.Pin(1).on()\n"
    install_main(virtual, program + "while True: pass\n")
    until(lambda: virtual.pin(1)[0] == 1)
    with Board(virtual.port, patience=0.6) as board, pytest.raises(NoAnswer) as caught:
        board.exec("print(1)")
    assert "reset it" in caught.value.advice


def test_a_frozen_board_is_a_timeout_and_goes_on_afterwards(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        board.exec("x = 1")
        patience = board.patience
        virtual.freeze()
        board.patience = 0.5
        with pytest.raises(BoardTimeout):
            board.exec("print(1)", timeout=0.2)
        virtual.thaw()
        board.patience = patience
        assert board.exec("print(2)") == "2\n"


def test_endless_code_is_a_timeout_and_the_board_is_reached_again(
    virtual: VirtualBoard, one_of: OneOf
) -> None:
    with Board(virtual.port) as board:
        board.exec("")
        patience = board.patience
        for _ in range(3 // one_of(3)):
            board.patience = 0.5
            with pytest.raises(BoardTimeout):
                board.exec("while True: pass", timeout=0.1)
            board.patience = patience
            assert board.exec("print('again')") == "again\n"


def test_power_lost_in_the_middle_is_one_error_and_repeating_works(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        board.exec("")
        timer = threading.Timer(0.1, virtual.power_cut)
        timer.start()
        with pytest.raises(BoardTimeout):
            board.exec("while True: pass", timeout=0.3)
        timer.join()
        virtual.power_on()
        assert board.exec("print('again')") == "again\n"


def test_a_port_that_vanishes_is_one_error(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        board.exec("")
        timer = threading.Timer(0.1, virtual.close)
        timer.start()
        with pytest.raises(BoardGone):
            board.exec("while True: pass", timeout=10)
        timer.join()
        for attempt in (board.facts, board.soft_reset, board.reset, lambda: board.read("/x")):
            with pytest.raises(BoardGone):
                attempt()


@pytest.mark.parametrize("when", ["at once", "late"])
def test_a_port_that_comes_back_after_a_reset_is_found_again(tmp_path: Path, when: str) -> None:
    link = tmp_path / "port"
    with VirtualBoard(tmp_path / "old") as old, VirtualBoard(tmp_path / "new") as new:
        link.symlink_to(old.port)
        with Board(str(link)) as board:
            board.exec("import machine\nmachine.reset = lambda: None")

            def unplug() -> None:
                # As USB boards do it: the port goes, and is there again some time later.
                old.close()
                link.unlink()
                time.sleep(0.2)
                link.symlink_to(new.port)

            unplugged = threading.Thread(target=unplug)
            if when == "at once":
                unplugged.start()
            board.reset()
            if when == "late":
                unplugged.start()
            unplugged.join()
            assert board.facts().unique_id == (new.directory / "unique_id").read_text()


def test_a_running_program_is_talked_to(virtual: VirtualBoard) -> None:
    program = "while True:\n    print('heard', input())\n"
    (virtual.flash / "main.py").write_text(program)
    with Board(virtual.port) as board:
        board.soft_reset()
        board.send(b"you\r")
        assert board.wait_for("heard you\n").endswith("heard you\n")
    with Port(virtual.port) as port:
        # Whoever only opens the port interrupts nothing.
        port.send(b"again\r")
        while (line := port.read_line(5)) != b"heard again":
            assert line == b"again"


def test_a_board_is_reached_over_the_network(virtual: VirtualBoard) -> None:
    wire = os.open(virtual.port, os.O_RDWR | os.O_NOCTTY)
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_bridge, args=(server, wire))
        thread.start()
        with Board(f"socket://127.0.0.1:{server.getsockname()[1]}") as board:
            assert board.exec("print('far away')") == "far away\n"
            board.write("/file", b"over the network" * 100)
            assert board.read("/file") == b"over the network" * 100
        thread.join()
    os.close(wire)


def _bridge(server: socket.socket, wire: int) -> None:
    peer, _ = server.accept()
    with peer:
        while True:
            for ready in select.select([peer.fileno(), wire], [], [])[0]:
                if ready == wire:
                    peer.sendall(os.read(wire, 4096))
                elif data := peer.recv(4096):
                    os.write(wire, data)
                else:
                    return
