"""Virtual boards that are as bad as real ones, and what a test sees of them."""

import ast
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from boards.board import Board
from boards.virtual.board import Filesystem, VirtualBoard
from boards.virtual.flaws import Flaws

PATIENCE = 60.0

# What the board's clocks say of a wait, and the true time that lies between their readings at
# least and at most.
_SPANS = """
import asyncio, time, utime
async def nap(sleep, duration):
    await sleep(duration)
async def late(task, timeout):
    try:
        await asyncio.wait_for_ms(task, timeout)
    except asyncio.TimeoutError:
        pass
def read():
    return time.ticks_ms(), time.ticks_us(), time.time_ns()
def spans(wait):
    begin = utime.ticks_us()
    first = read()
    within = utime.ticks_us()
    wait()
    least = utime.ticks_diff(utime.ticks_us(), within)
    last = read()
    most = utime.ticks_diff(utime.ticks_us(), begin)
    ms, us = time.ticks_diff(last[0], first[0]), time.ticks_diff(last[1], first[1])
    print(ms * 1000, us, (last[2] - first[2]) // 1000, least, most)
"""
_WAITS = (
    "lambda: time.sleep(0.3)",
    "lambda: time.sleep_ms(300)",
    "lambda: time.sleep_us(300000)",
    "lambda: asyncio.run(nap(asyncio.sleep, 0.3))",
    "lambda: asyncio.run(nap(asyncio.sleep_ms, 300))",
    "lambda: asyncio.run(late(nap(asyncio.sleep_ms, 9000), 300))",
)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@pytest.mark.parametrize("drift", [-100_000, -10_000, 10_000, 100_000])
def test_all_clocks_of_a_board_drift_alike(tmp_path: Path, drift: int) -> None:
    rate = 1 + drift / 1e6
    with VirtualBoard(tmp_path, flaws=Flaws(drift)) as virtual, Board(virtual.port) as board:
        board.exec(_SPANS)
        for wait in _WAITS:
            said = board.exec(f"spans({wait})")
            *measured, least, most = map(int, said.split())
            # It slept as long as it was asked to by its own clock, and no shorter.
            assert measured[1] >= 299_000
            for found in measured:
                assert least * rate - 1_001 <= found <= most * rate + 1_001, (wait, found)


def test_a_drifting_board_is_asked_for_300_ms_by_asyncio(tmp_path: Path) -> None:
    """How long it takes by a true clock, at least: a timeout may not come early."""
    code = (
        "import asyncio, time, utime\nasync def f():\n    a = utime.ticks_us()\n"
        "    await asyncio.sleep_ms(300)\n    print(utime.ticks_diff(utime.ticks_us(), a))\n"
        "asyncio.run(f())"
    )
    with VirtualBoard(tmp_path, flaws=Flaws(-100_000)) as virtual, Board(virtual.port) as board:
        assert int(board.exec(code)) >= 333_000


def test_counters_wrap_at_30_bits(tmp_path: Path) -> None:
    code = (
        "import asyncio, time\nstart = time.ticks_ms()\nasync def main():\n"
        "    await asyncio.sleep_ms(700)\nasyncio.run(main())\nend = time.ticks_ms()\n"
        "print(start, end, time.ticks_diff(end, start), time.ticks_diff(start, end),"
        " time.ticks_add((1 << 30) - 1, 2), time.ticks_add(0, -1))"
    )
    wrap = Flaws(wrap=1.0)
    with VirtualBoard(tmp_path, flaws=wrap) as virtual, Board(virtual.port) as board:
        board.exec("import time\nwhile time.ticks_diff(time.ticks_ms(), (1 << 30) - 500) < 0: pass")
        start, end, forth, back, over, under = map(int, board.exec(code).split())
        assert end < start
        assert (forth, back) == (end + (1 << 30) - start, start - end - (1 << 30))
        assert (over, under) == (1, (1 << 30) - 1)
        for wait in ("time.ticks_add(0, 1 << 29)", "asyncio.sleep_ms(1 << 29)"):
            found = board.exec(f"try:\n    {wait}\nexcept OverflowError:\n    print('too long')")
            assert found == "too long\n"
        # Half a period away is before, not after: what is seen of the past has no end.
        assert board.exec("print(time.ticks_diff(1 << 29, 0))") == f"{-(1 << 29)}\n"


def test_a_clock_that_starts_in_2000(tmp_path: Path) -> None:
    code = "import time\nprint((time.time(), time.gmtime(0)[:7], time.localtime()[:5]))"
    with VirtualBoard(tmp_path, flaws=Flaws(epoch=2000)) as virtual:
        for restart in (virtual.reset, virtual.power_cut):
            with Board(virtual.port) as board:
                now, zero, local = ast.literal_eval(board.exec(code))
                day = board.exec("print(time.mktime((2000, 1, 2, 0, 0, 0, 0, 0)))")
            assert 0 <= now < 60
            assert zero == (2000, 1, 1, 0, 0, 0, 5)
            assert local[:3] == (2000, 1, 1)
            assert day == "86400\n"
            restart()


def test_a_drifting_clock_that_is_set_begins_with_this_computers(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path, flaws=Flaws(5000)) as virtual, Board(virtual.port) as board:
        found = int(board.exec("import time\nprint(time.time())"))
        assert abs(found - time.time()) < 5
        assert board.exec("print(time.gmtime()[0])") == f"{time.gmtime().tm_year}\n"


def test_weak_random_bytes(tmp_path: Path) -> None:
    def draws(folder: str, flaws: Flaws) -> list[bytes]:
        code = "import os\nprint((os.urandom(64), os.urandom(64), len(os.urandom(0))))"
        found: list[bytes] = []
        with VirtualBoard(tmp_path / folder, flaws=flaws) as virtual:
            for _ in range(2):
                with Board(virtual.port) as board:
                    *drawn, none = ast.literal_eval(board.exec(code))
                assert none == 0
                found += drawn
                virtual.reset()
        return found

    one, two = draws("one", Flaws(entropy="same")), draws("two", Flaws(entropy="same"))
    assert one == two
    assert one[:2] == one[2:]
    assert one[0] != one[1]
    assert len(set(one[0])) > 32
    assert set(b"".join(draws("stuck", Flaws(entropy="stuck")))) == {255}
    poor = draws("poor", Flaws(entropy="poor"))
    assert set(b"".join(poor)) == {0, 1, 16, 17}
    assert len(set(poor)) == 4
    assert len(set(draws("good", Flaws()))) == 4


MAIN = (
    "import machine\nmachine.Pin(machine.reset_cause(), machine.Pin.OUT)"
    ".toggle()\nmachine.Pin(9).toggle()\nwhile True:\n    machine.idle()\n"
)


def test_brown_outs_come_and_are_a_power_on(tmp_path: Path) -> None:
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash" / "main.py").write_text(MAIN)
    with VirtualBoard(tmp_path, flaws=Flaws(brown_out=0.3)) as virtual:
        until(lambda: virtual.starts >= 4, "no brown-out")
        until(lambda: virtual.pin(1)[1] >= 3, "main.py does not run again")
        assert virtual.pin(2) == virtual.pin(5) == (0, 0)
        virtual.power_cut()
        starts = virtual.starts
        time.sleep(0.5)  # what has no power does not lose it
        assert virtual.starts == starts
        assert virtual.failure is None


@pytest.mark.parametrize("flaws", [Flaws(brown_out=0.3), Flaws()])
def test_nothing_resets_a_frozen_board(tmp_path: Path, flaws: Flaws) -> None:
    """Neither a brown-out nor its watchdog."""
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash" / "main.py").write_text("import machine\nmachine.WDT(timeout=600)\n")
    with VirtualBoard(tmp_path, flaws=flaws) as virtual:
        virtual.freeze()
        starts = virtual.starts
        time.sleep(1.2)
        assert virtual.starts == starts
        virtual.thaw()
        until(lambda: virtual.starts > starts, "no reset after it goes on")


def test_slow_flash(tmp_path: Path) -> None:
    code = (
        "import time, os\na = time.ticks_ms()\n"
        "with open('/x', 'w') as f: f.write('y')\nos.rename('/x', '/z')\nos.remove('/z')\n"
        "print(time.ticks_diff(time.ticks_ms(), a))\n"
        "a = time.ticks_ms()\nos.listdir('/')\nprint(time.ticks_diff(time.ticks_ms(), a))"
    )
    flaws = Flaws(slow_flash=50)
    kinds: tuple[Filesystem, ...] = ("posix", "littlefs")
    for filesystem in kinds:
        folder = tmp_path / filesystem
        with (
            VirtualBoard(folder, filesystem=filesystem, flaws=flaws) as virtual,
            Board(virtual.port) as board,
        ):
            changed, read = map(int, board.exec(code).split())
            assert changed >= 150
            assert read < changed


def test_a_watchdog_resets_what_does_not_feed_it(tmp_path: Path) -> None:
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash" / "main.py").write_text(
        "import machine, time\nmachine.Pin(machine.reset_cause(), machine.Pin.OUT).toggle()\n"
        "if machine.reset_cause() == 1:\n    dog = machine.WDT(timeout=500)\n"
        "    for _ in range(30):\n        time.sleep_ms(40)\n        dog.feed()\n"
        "    machine.Pin(9).on()\n    while True: pass\n"
    )
    with VirtualBoard(tmp_path) as virtual:
        until(lambda: virtual.starts >= 2, "no reset")
        assert virtual.pin(9) == (1, 1), "it was reset although it fed its watchdog"
        until(lambda: virtual.pin(3)[1] == 1, "the cause is another one")
        starts = virtual.starts
        time.sleep(0.8)  # longer than the timeout: a reset stops the watchdog
        assert virtual.starts == starts


def test_a_watchdog_goes_on_through_a_soft_reset_and_not_a_hard_one(tmp_path: Path) -> None:
    start = "import machine\nmachine.WDT(timeout=700)"
    with VirtualBoard(tmp_path) as virtual, Board(virtual.port) as board:
        board.exec(start)
        board.soft_reset()
        starts = virtual.starts
        until(lambda: virtual.starts > starts, "a soft reset stopped it")
        board.clear()
        assert board.exec("import machine\nprint(machine.reset_cause())") != "1\n"
        board.exec(start)
        virtual.reset()
        starts = virtual.starts
        time.sleep(1.0)
        assert virtual.starts == starts


@pytest.mark.parametrize("timeout", [8389, 0, -1])
def test_a_watchdog_takes_what_the_hardware_takes(tmp_path: Path, timeout: int) -> None:
    code = (
        f"import machine\ntry:\n    machine.WDT(timeout={timeout})\n"
        "except ValueError as e:\n    print(e)"
    )
    with VirtualBoard(tmp_path) as virtual, Board(virtual.port) as board:
        assert board.exec(code) == "timeout exceeds 8388\n"
        assert board.exec("machine.WDT(timeout=8388)") == ""


def test_a_board_without_a_watchdog(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path, watchdog=0) as virtual, Board(virtual.port) as board:
        assert board.exec("import machine\nprint(hasattr(machine, 'WDT'))") == "False\n"


def test_an_output_that_stays_is_seen(tmp_path: Path) -> None:
    output = "from machine import Pin\nPin(4, Pin.OUT, value=1)\nPin(5, Pin.OUT)"
    with VirtualBoard(tmp_path) as virtual:
        assert virtual.output(4) is None
        with Board(virtual.port) as board:
            board.exec(output)
            board.exec("Pin(6, Pin.OPEN_DRAIN, value=0)")
            assert [virtual.output(pin) for pin in (4, 5, 6)] == [1, 0, 0]
            board.soft_reset()  # which changes no pin
            assert virtual.output(4) == 1
            board.exec("from machine import Pin\nPin(4).init(Pin.IN)")
            assert virtual.output(4) is None
            assert virtual.pin(4) == (0, 2)
            board.exec("Pin(5).init(Pin.IN, Pin.PULL_UP)")
            assert virtual.pin(5) == (1, 1)
        for stop in (virtual.reset, virtual.power_cut):
            with Board(virtual.port) as board:
                board.exec(output)
            assert virtual.output(4) == 1
            stop()
            assert virtual.output(4) is None
        virtual.power_on()
        virtual.set_pin(7, 1)
        with Board(virtual.port) as board:
            board.exec("from machine import Pin\nPin(7, Pin.IN)\nPin(4, Pin.IN)")
        assert (virtual.output(7), virtual.pin(7)) == (None, (1, 1))
        assert (virtual.output(4), virtual.pin(4)[0]) == (None, 0)


@pytest.mark.parametrize(
    "flaws",
    [
        {"drift": 100_001},
        {"drift": -100_001},
        {"wrap": -1},
        {"wrap": 1073742},
        {"epoch": 1999},
        {"entropy": "none"},
        {"brown_out": 0},
        {"slow_flash": -1},
        {"slow_flash": 10_001},
    ],
)
def test_flaws_that_are_none(flaws: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Flaws(**flaws)  # type: ignore[arg-type]
