"""A virtual board behaves as a board: for mpremote's command line, and byte by byte."""

import hashlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from littlefs import LittleFS

from boards.board import Board
from boards.errors import AlreadyRunning, NoMicroPython, WontStart
from boards.virtual import outlet
from boards.virtual.board import Filesystem, VirtualBoard

RAW = b"raw REPL; CTRL-B to exit\r\n>"
PROMPT = b'Type "help()" for more information.\r\n>>> '
ENDLESS = 'import time\nprint("main", "runs")\nwhile True:\n    time.sleep(1)\n'


@pytest.fixture(scope="module", params=["posix", "littlefs"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VirtualBoard]:
    """One board for all tests that leave nothing behind, on each kind of flash."""
    filesystem: Filesystem = request.param
    with VirtualBoard(tmp_path_factory.mktemp("board"), filesystem=filesystem) as board:
        yield board


def test_its_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path / "boards" / "one") as board:
        assert stat.S_IMODE(board.directory.stat().st_mode) == 0o700


def mpremote(port: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real command line."""
    return subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *arguments],
        # It prints by two ways, one of them buffered: else the order is not that of its actions.
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


class Wire:
    """The port of a board as bytes, without mpremote."""

    def __init__(self, port: str) -> None:
        self._serial = serial.serial_for_url(port, timeout=60, exclusive=True)

    def send(self, data: bytes) -> None:
        self._serial.write(data)

    def until(self, ending: bytes) -> bytes:
        data: bytes = self._serial.read_until(ending)
        assert data.endswith(ending), f"{ending!r} did not come, but {data!r}"
        return data

    def drain(self) -> None:
        self._serial.reset_input_buffer()

    def close(self) -> None:
        self._serial.close()


def wait_for_pin(board: VirtualBoard, pin: int) -> None:
    end = time.monotonic() + 30
    while board.pin(pin)[0] != 1:
        assert time.monotonic() < end, f"pin {pin} was not driven"
        time.sleep(0.01)


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Callable[..., tuple[VirtualBoard, Wire]]]:
    """Makes a board with the given files on its flash, and a wire to it."""
    opened: list[Any] = []

    def connect(**files: str) -> tuple[VirtualBoard, Wire]:
        for name, text in files.items():
            path = tmp_path / "flash" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        board = VirtualBoard(tmp_path).__enter__()
        opened.append(board)
        wire = Wire(board.port)
        opened.append(wire)
        if files:
            # Whoever opens a port misses some of what was printed before: so all of it is missed.
            board.power_cut()
            wire.drain()
            board.power_on()
        return board, wire

    yield connect
    for thing in reversed(opened):
        thing.close()


# (what is seen, arguments for mpremote, what it prints, its exit status)
COMMANDS = (
    ("a program runs", ["exec", "print(6 * 7)"], "42\n", 0),
    ("an expression is evaluated", ["eval", "6 * 7"], "42\n", 0),
    ("a mistake fails", ["exec", "1 / 0"], "ZeroDivisionError: divide by zero\n", 1),
    ("a script runs", ["run", "{local}/hello.py"], "hello from __main__\n", 0),
    ("a file is copied", ["fs", "cp", "{local}/hello.py", ":/t.py"], ":/t.py\n", 0),
    ("a folder is made", ["fs", "mkdir", "/deep"], "mkdir :/deep\n", 0),
    ("into it too", ["fs", "cp", "{local}/hello.py", ":/deep/t.py"], ":/deep/t.py\n", 0),
    ("a file is shown", ["fs", "cat", ":/t.py"], 'print("hello from", __name__)\n', 0),
    ("a file is hashed", ["fs", "sha256sum", "/t.py"], "{sha256}\n", 0),
    ("a folder is listed", ["fs", "ls", "/deep"], "          30 t.py\n", 0),
    ("a tree is shown", ["fs", "tree", "/deep"], ":/deep\n└── t.py\n", 0),
    ("what is the same stays", ["fs", "cp", "{local}/hello.py", ":/t.py"], "date: /t.py\n", 0),
    ("a file is a module", ["exec", "import t"], "hello from t\n", 0),
    ("a folder goes", ["fs", "rm", "-r", ":/deep"], "rm :/deep\n", 0),
    ("it is gone", ["fs", "ls", ":/deep"], "ls :/deep\n", 1),
    ("a file goes", ["fs", "rm", ":/t.py"], "rm :/t.py\n", 0),
    ("a soft reset is seen", ["soft-reset", "exec", "print('up')"], "up\n", 0),
    ("a reset", ["reset"], "", 0),
    ("leaves it reachable", ["exec", "print('up')"], "up\n", 0),
    (
        "this computer's folder is mounted",
        ["mount", "{local}", "exec", "import hello"],
        "hello\n",
        0,
    ),
    (
        "every byte passes a mount",
        ["mount", "{local}", "exec", "print(sum(open('/remote/all', 'rb').read()))"],
        "32640\n",
        0,
    ),
    ("free space is shown", ["df"], " /\n", 0),
)


def test_mpremote_takes_it_for_a_board(shared: VirtualBoard, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text('print("hello from", __name__)\n')
    (tmp_path / "all").write_bytes(bytes(range(256)))
    sha256 = hashlib.sha256((tmp_path / "hello.py").read_bytes()).hexdigest()
    # What is about files is asked of both kinds of flash, the rest of one.
    commands = [c for c in COMMANDS if c[1][0] == "fs" or shared.flash.is_dir()]
    for sentence, arguments, expected, status in commands:
        filled = [argument.replace("{local}", str(tmp_path)) for argument in arguments]
        done = mpremote(shared.port, *filled)
        assert done.returncode == status, f"{sentence}: {done}"
        assert done.stdout.endswith(expected.replace("{sha256}", sha256)), f"{sentence}: {done}"


def test_paths_are_those_of_a_board(shared: VirtualBoard) -> None:
    with Board(shared.port) as board:
        assert board.exec("import os, sys\nprint(os.getcwd(), sys.path)") == (
            "/ ['', '.frozen', '/lib']\n"
        )


# What a board's firmware prints, after shared/runtime/pyexec.c and the ports' main.c.


def test_soft_reset_from_the_friendly_repl_runs_main(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    _, wire = wired(boot="print('boot')", main="print('main')")
    wire.until(PROMPT)
    wire.send(b"\x04")
    assert b"\r\nMPY: soft reboot\r\nboot\nmain\nMicroPython " in wire.until(PROMPT)


def test_soft_reset_from_the_raw_repl_does_not_run_main(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    _, wire = wired(boot="print('boot')", main="print('main')")
    wire.send(b"\r\x03\r\x01")
    wire.until(RAW)
    for _ in range(3):
        wire.send(b"\x04")
        assert wire.until(RAW) == b"OK\r\nMPY: soft reboot\r\nboot\n" + RAW
    wire.send(b"\r\x02")
    wire.until(PROMPT)


def test_exit_of_a_program_is_a_soft_reset_in_the_same_repl(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    _, wire = wired(main="print('main')")
    wire.send(b"\r\x03\r\x01")
    wire.until(RAW)
    for way in (
        b"raise SystemExit",
        b"import sys\nsys.exit(3)",
        b"import machine\nmachine.soft_reset()",
    ):
        wire.send(way + b"\x04")
        assert wire.until(RAW).startswith(b"OK\x04\x04MPY: soft reboot\r\nraw REPL"), way
    wire.send(b"import machine; print(machine.reset_cause())\x04")
    assert wire.until(b"\x04\x04>") == b"OK5\n\x04\x04>"


def test_ctrl_c_ends_main_and_the_prompt_follows(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    _, wire = wired(main=ENDLESS)
    wire.send(b"\x03")
    said = wire.until(b">>> ")
    assert b"KeyboardInterrupt" in said
    assert said.endswith(PROMPT)


def test_ctrl_c_ends_a_program_however_it_was_sent(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    _, wire = wired()
    wire.send(b"\r\x03\r\x01")
    wire.until(RAW)
    program = b"print('on')\nwhile True: pass\x04"
    for way, greeting in ((b"", b"OK"), (b"\x05A\x01", b"R\x01\x80\x00\x01\x04")):
        wire.send(way + program)
        assert wire.until(b"on\n") == greeting + b"on\n"
        wire.send(b"\x03")
        assert b"KeyboardInterrupt" in wire.until(b"\x04>")


def test_ctrl_c_again_and_again_only_interrupts(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    board, wire = wired()
    wire.send(b"\r\x03\r\x01")
    wire.until(RAW)
    for _ in range(30):
        wire.send(b"print('on')\nwhile True: pass\x04")
        wire.until(b"on\n")
        wire.send(b"\x03")
        wire.send(b"\x03\x03")
        wire.until(b"KeyboardInterrupt")
        wire.until(b"\x04>")
    wire.send(b"\x03print('here')\x04")
    wire.until(b"here\n\x04\x04>")
    assert board.starts == 1


def test_every_octet_is_data_for_a_program_that_wants_it(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    board, wire = wired()
    wire.send(b"\r\x03\r\x01")
    wire.until(RAW)
    wire.send(
        b"import micropython, sys\nmicropython.kbd_intr(-1)\nprint('go')\n"
        b"print(sys.stdin.buffer.read(1024) == bytes(range(256)) * 4)\x04"
    )
    wire.until(b"go\n")
    wire.send(bytes(range(256)) * 4)
    assert wire.until(b"\x04\x04>") == b"True\n\x04\x04>"
    assert board.starts == 1


def test_what_is_sent_too_early_is_kept(wired: Callable[..., tuple[VirtualBoard, Wire]]) -> None:
    _, wire = wired(main="print('main')")
    wire.send(b"\r\x03\r\x01")
    wire.until(RAW)
    wire.send(b"\x04print('kept')\x04")
    assert wire.until(b"\x04\x04>").endswith(RAW + b"OKkept\n\x04\x04>")


# Ends as soon as something waits to be read, and leaves that unread.
ENDS = """
import machine, micropython, select, sys
micropython.kbd_intr(-1)
waiting = select.poll()
waiting.register(sys.stdin, select.POLLIN)
print("main runs")
waiting.poll()
%s
"""


@pytest.mark.parametrize("end", ["machine.reset()", "machine.soft_reset()", "sys.exit()"])
def test_ctrl_c_while_an_interpreter_ends_interrupts_the_next_start(
    wired: Callable[..., tuple[VirtualBoard, Wire]], end: str
) -> None:
    board, wire = wired(main=ENDS % end)
    wire.until(b"main runs\n")
    starts = board.starts
    wire.send(b"\r\x03\r\x01")
    assert b"main" not in wire.until(RAW)
    assert board.starts == starts + 1


def test_ctrl_c_while_the_reset_button_is_pressed_interrupts_the_start(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    board, wire = wired(main=ENDS % "while True: machine.Pin(4, machine.Pin.OUT).on()")
    wire.until(b"main runs\n")
    wire.send(b"\r\x03\r\x01")
    wait_for_pin(board, 4)
    board.reset()
    assert b"main" not in wire.until(RAW)


def test_a_hard_reset_loses_what_was_sent_before_the_ctrl_c(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    _, wire = wired(main=ENDS % "machine.reset()")
    wire.until(b"main runs\n")
    wire.send(b"print('lo' + 'st')\r\x03print('ke' + 'pt')\r")
    assert b"lost" not in wire.until(b"kept\n>>> ")


def test_ctrl_c_amid_a_garbage_collection_ends_main_for_good(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    _, wire = wired(
        main="import gc\nheld = [[n] for n in range(800)]\nprint('main', 'runs')\n"
        "while True:\n    gc.collect()\n"
    )
    for _ in range(5):
        wire.until(b"main runs\n")
        wire.send(b"\r\x03\r\x01")
        assert b"main runs" not in wire.until(RAW)
        wire.send(b"print('up')\x04")
        wire.until(b"OKup\n\x04\x04>")
        wire.send(b"\r\x02")
        wire.until(PROMPT)
        wire.send(b"\x04")


def test_a_reset_loses_memory_and_comes_back_in_the_friendly_repl(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    _, wire = wired()
    wire.send(b"\r\x03\r\x01")
    wire.until(RAW)
    wire.send(b"x = 1\nimport machine\nmachine.reset()\nprint('still here')\x04")
    assert b"still here" not in wire.until(PROMPT)
    wire.send(b"'x' in globals(), __import__('machine').reset_cause()\r")
    wire.until(b"(False, 2)")


def test_main_may_exit_and_start_again(wired: Callable[..., tuple[VirtualBoard, Wire]]) -> None:
    count = (
        "try:\n    n = len(open('/n').read())\nexcept OSError:\n    n = 0\n"
        "print('run', n)\nif n < 3:\n    with open('/n', 'a') as f:\n        f.write('x')\n"
        "    raise SystemExit\n"
    )
    _, wire = wired(main=count)
    assert wire.until(b"run 3\n").count(b"MPY: soft reboot\r\n") >= 1
    wire.until(PROMPT)


def test_a_failing_boot_keeps_main_from_running(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    _, wire = wired(boot="raise ValueError('boot')", main="print('main')")
    said = wire.until(PROMPT)
    assert b"ValueError: boot" in said
    assert b"main" not in said


def test_power_cut_loses_memory_and_keeps_flash_and_port(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path) as virtual, Board(virtual.port) as board:
        board.exec("x = 1")
        board.write("/kept", b"kept")
        identity = board.facts().unique_id
        port = virtual.port
        virtual.power_cut()
        virtual.power_on()
        assert virtual.port == port
        board.soft_reset()
        assert board.exec("print('x' in globals())") == "False\n"
        assert board.read("/kept") == b"kept"
        assert board.facts().unique_id == identity
    with VirtualBoard(tmp_path) as virtual, Board(virtual.port) as board:
        assert board.facts().unique_id == identity
        assert board.read("/kept") == b"kept"


def test_causes_of_resets_are_told_apart(tmp_path: Path) -> None:
    main = (
        b"import machine\nmachine.Pin(machine.reset_cause(), machine.Pin.OUT).on()\nprint('up')\n"
    )
    with VirtualBoard(tmp_path) as virtual, Board(virtual.port) as board:
        # Only now, for nobody would wait for what the first start says.
        board.write("/main.py", main)
        virtual.power_cut()
        for act, pins in (
            (virtual.power_on, [1, 0, 0]),
            (virtual.reset, [1, 1, 0]),
            (board.soft_reset, [1, 1, 1]),
        ):
            act()
            board.wait_for("up")
            assert [virtual.pin(cause)[0] for cause in (1, 2, 5)] == pins


def test_a_frozen_board_loses_nothing(wired: Callable[..., tuple[VirtualBoard, Wire]]) -> None:
    board, wire = wired()
    wire.send(b"\r\x03\r\x01")
    wire.until(RAW)
    board.freeze()
    wire.send(b"x = '" + b"y" * 3000 + b"'\nprint(len(x))\x04")
    board.thaw()
    assert wire.until(b"\x04\x04>") == b"OK3000\n\x04\x04>"


def test_ctrl_c_reaches_a_frozen_board_when_it_thaws(
    wired: Callable[..., tuple[VirtualBoard, Wire]],
) -> None:
    board, wire = wired(main=ENDLESS)
    wire.until(b"main runs\n")
    board.freeze()
    wire.send(b"\x03")
    board.thaw()
    wire.until(PROMPT)


def test_a_slow_reader_loses_nothing(wired: Callable[..., tuple[VirtualBoard, Wire]]) -> None:
    _, wire = wired()
    wire.send(b"\r\x03\r\x01")
    wire.until(RAW)
    wire.send(b"for i in range(20000): print(i)\x04")
    time.sleep(0.3)  # long enough for every buffer on the way to be full
    numbers = wire.until(b"\x04\x04>")[2:-3].split()
    assert [int(number) for number in numbers] == list(range(20000))


def test_a_program_that_nobody_listens_to_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "_STALL", 0.1)
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash" / "main.py").write_text(
        "import machine\nfor i in range(50000): print(i)\nmachine.Pin(4, machine.Pin.OUT).on()\n"
    )
    with VirtualBoard(tmp_path) as virtual:
        wait_for_pin(virtual, 4)
        with Board(virtual.port) as board:
            assert board.exec("print('reachable')") == "reachable\n"


def test_pins_are_seen_and_driven(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path) as virtual, Board(virtual.port) as board:
        assert virtual.pin(4) == (0, 0)
        board.exec("from machine import Pin\np = Pin(4, Pin.OUT, value=1)\np.off()\np(1)\np.on()")
        assert virtual.pin(4) == (1, 3)
        virtual.set_pin("B1", 1)
        assert board.exec("print(Pin('B1', Pin.IN).value())") == "1\n"
        assert board.exec("print(Pin(9, Pin.IN, Pin.PULL_UP)())") == "1\n"
        board.exec("p.toggle()")
        assert virtual.pin(4) == (0, 4)


def test_the_heap_is_as_large_as_asked(tmp_path: Path) -> None:
    for heap, size in (("40k", 40 << 10), ("1M", 1 << 20)):
        with VirtualBoard(tmp_path / heap, heap) as virtual, Board(virtual.port) as board:
            found = board.facts().heap_size
            assert size * 0.95 < found <= size


def test_a_littlefs_image_is_one_for_other_tools(tmp_path: Path) -> None:
    with (
        VirtualBoard(tmp_path, filesystem="littlefs", flash_size=1 << 18) as virtual,
        Board(virtual.port) as board,
    ):
        assert board.facts().flash_size == 1 << 18
        board.mkdirs("/lib/x")
        board.write("/lib/x/file", b"contents" * 1000)
    image = LittleFS(block_size=4096, block_count=64, mount=False)
    image.context.buffer = bytearray((tmp_path / "flash.img").read_bytes())
    image.mount()
    with image.open("/lib/x/file", "rb") as file:
        assert file.read() == b"contents" * 1000


def test_a_damaged_image_is_never_formatted(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path, filesystem="littlefs"):
        pass
    image = tmp_path / "flash.img"
    damaged = bytearray(image.read_bytes())
    damaged[:8192] = b"\x55" * 8192
    image.write_bytes(damaged)
    with pytest.raises(WontStart, match="OSError"), VirtualBoard(tmp_path, filesystem="littlefs"):
        pass
    assert image.read_bytes() == damaged


def test_two_boards_never_share_a_directory(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path) as first:
        with pytest.raises(AlreadyRunning, match="run by process"), VirtualBoard(tmp_path):
            pass
        assert mpremote(first.port, "exec", "print('fine')").stdout == "fine\n"
    with VirtualBoard(tmp_path):
        pass


def test_an_interpreter_that_cant_start_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WontStart), VirtualBoard(tmp_path, "2k"):
        pass
    with VirtualBoard(tmp_path):
        pass
    monkeypatch.setenv("MICROPYTHON", str(tmp_path / "none"))
    with pytest.raises(NoMicroPython, match="none is no executable"), VirtualBoard(tmp_path):
        pass
    monkeypatch.setenv("MICROPYTHON", "/bin/false")
    with pytest.raises(WontStart, match="status 1"), VirtualBoard(tmp_path):
        pass


def test_what_is_no_size_is_refused(tmp_path: Path) -> None:
    for heap in ("", "0", "-1", "64kb", "6 4k", "1e6"):
        with pytest.raises(ValueError, match="heap"):
            VirtualBoard(tmp_path, heap)
    for size in (0, 4096, 40000):
        with pytest.raises(ValueError, match="flash"):
            VirtualBoard(tmp_path, flash_size=size)


def test_a_board_that_failed_starts_again_once_it_can(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path) as virtual:
        (tmp_path / "flash").rename(tmp_path / "away")
        with pytest.raises(WontStart, match="OSError"):
            virtual.reset()
        assert virtual.failure is not None
        (tmp_path / "away").rename(tmp_path / "flash")
        virtual.power_on()
        with Board(virtual.port) as board:
            assert board.exec("print('repaired')") == "repaired\n"
