"""What a service can't do with values of its own making; the time, and grace that is spent once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device import on_micropython


def run(code: str, root: Path) -> list[str]:
    """The words that code prints with the device's modules, /triseal being a folder of a test's."""
    moved = (
        "from nlsm import keystore\n"
        f"keystore.ROOT = {str(root)!r}\n"
        "from nlsm import floors\n"
        "floors._FILE = keystore.ROOT + '/floors'\n"
    )
    return on_micropython.run_code(moved + code).split()


def test_grace_is_spent_once_until_the_time_is_told(tmp_path: Path) -> None:
    code = """
from nlsm import grace
print(grace.spend(600), grace.spend(600), grace.spend(900), grace.spend(600))
floors.rise(1795363200, "thermo", 3)
print(grace.spend(600))
grace.restore()
print(grace.spend(600), floors.read()["thermo"], floors.read()[floors.TIME])
"""
    assert run(code, tmp_path) == [
        *("600", "0", "300", "0"),
        "0",
        *("600", "3", "1795363200"),
    ]


def test_floors_that_could_not_be_read_again_are_not_written(tmp_path: Path) -> None:
    code = """
from sealcore import errors
count = 210
floors.write(dict([("=time", 1795363200)] + [("%063d" % n, 2147483647) for n in range(count)]))
try:
    while True:
        floors.rise(1795363200, "%063d" % count, 2147483647)
        count += 1
except errors.TooLarge:
    floors.rise(1795363200 + 3600)
    print(count, len(floors.read()), floors.read()[floors.TIME])
"""
    assert run(code, tmp_path) == ["218", "219", "1795366800"]


def test_a_file_that_the_flash_has_no_room_for_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """
from nlsm import board
def full(file):
    raise OSError(28)
board.sync = full
for name in ("site.der", "none/site.der"):
    try:
        keystore.write(keystore.ROOT + "/" + name, b"seal")
    except OSError as error:
        print(error.errno)
print(keystore.names(keystore.ROOT))
"""
    assert run(code, tmp_path) == ["28", "2", "[]"]


def test_where_the_flash_has_no_room_the_agent_goes_on(tmp_path: Path) -> None:
    """A version that could not be remembered is not accepted, and no grace is given twice."""
    code = """
import asyncio
from nlsm import admission, agent, board, console, grace, service
def full(*_):
    raise OSError(28)
print(grace.spend(600))
board.sync = full
floors.rise(1795363200)
grace.restore()
print(grace.spend(900), floors.read()[floors.TIME])
try:
    floors.rise(1795363200, "thermo", 3)
except OSError as error:
    print(error.errno, "thermo" in floors.read())

class Node:
    settings = {}
    link = None
    services = {"a": service.Service("a")}
    class clock:
        now = full
admission.check(Node, Node.services["a"])
print(Node.services["a"].state)
line = console.Console(Node)
line._whole = True
console.memory.load = full
line.take()
def watch(node):
    agent.watch = lambda node: node.services.clear()
    full()
agent.watch = watch
asyncio.run(agent._main(Node))
print("end")
"""
    assert run(code, tmp_path) == [
        *("600", "0", "0", "28", "False", "failed"),
        *("triseal:", "out-of-memory:", "28") * 2,
        "end",
    ]


def test_a_service_is_what_lies_in_its_folder_whatever_another_one_has_imported(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text("main = 'sealed'")
    code = "import sys\nsys.modules['app'] = None\nfrom nlsm import loader\n"
    assert run(code + f"print(loader._import({str(tmp_path)!r}).main)", tmp_path) == ["sealed"]


RISE = """
from sealcore import errors
def rise(*what):
    before = keystore.read(floors._FILE)
    floors.rise(*what)
    print("-" if keystore.read(floors._FILE) == before else "w", end=" ")
def kept():
    try:
        print(*["%s:%d" % one for one in sorted(floors.read().items())])
    except errors.Rollback:
        print("rollback")
floors.rise(10000, "a", 3)
"""

# (what happens to floors of 10000 s and of a's version 3, if it is written, and what they are then)
RISEN = (
    ("a version rises", "rise(1, 'a', 4)\nkept()", "w =time:10000 a:4"),
    ("it does not fall, whatever the time", "rise(99999, 'a', 2)\nkept()", "w =time:99999 a:3"),
    ("the same is not written again", "rise(10001, 'a', 3)\nkept()", "- =time:10000 a:3"),
    ("the time rises with it", "rise(10001, 'a', 4)\nkept()", "w =time:10001 a:4"),
    ("by itself after an hour", "rise(13599)\nrise(13600)\nkept()", "- w =time:13600 a:3"),
    ("it does not fall", "rise(1)\nkept()", "- =time:10000 a:3"),
    ("each service has its own", "rise(1, 'b', 1)\nkept()", "w =time:10000 a:3 b:1"),
    ("a version of 0 needs none", "rise(1, 'b', 0)\nkept()", "- =time:10000 a:3"),
    (
        "there are never more than can be read again",
        "try:\n    for n in range(300):\n        floors.rise(1, '%063d' % n, 1)\n"
        "except errors.TooLarge:\n    print(len(floors.read()))",
        "249",
    ),
    ("what was cut is not believed", "keystore.write(floors._FILE, b'0' * 16)\nkept()", "rollback"),
    ("nor one octet of it", "keystore.write(floors._FILE, b'0')\nkept()", "rollback"),
)


@pytest.mark.parametrize(("sentence", "code", "kept"), RISEN, ids=[row[0] for row in RISEN])
def test_floors(sentence: str, code: str, kept: str, tmp_path: Path) -> None:
    assert run(RISE + code, tmp_path) == kept.split(), sentence


TIMING = """
import time
from nlsm import clock, grace, timing, trust
from sealcore import errors, signedtime

class Ticks:
    now = 0
    ticks_diff = time.ticks_diff
    ticks_add = time.ticks_add
    def ticks_ms():
        return Ticks.now

def read(signed, *rest):
    if signed is None:
        raise errors.BadSignature
    return signed

def take(signed, ms=0):
    question = clock.Question()
    Ticks.now += ms
    try:
        timing.take(c, question, signed, own)
        print(c.now(), end=" ")
    except errors.SealError as error:
        print(error.code, end=" ")
    print(floors.read()[floors.TIME], grace.spend(600))

clock.time = Ticks
signedtime.read = read
own = trust.Trust()
own.site_keys = own.site = None
floors.rise(10000)
grace.spend(600)
c = clock.Clock(10000)
"""

# (what the site answers, after how long; the time then, its floor, and grace that can be had again)
TOLD = (
    ("the time that it took may have passed", "take(20000, 1500)", "20002 20000 600"),
    ("a floor within the hour is not written", "take(10009)", "10009 10000 600"),
    ("what nobody has signed gives nothing back", "take(None)", "bad-signature 10000 0"),
    ("nor does what is too early", "take(9999)", "rollback 10000 0"),
    ("nor what comes too late", "take(20000, 30001)", "bad-message 10000 0"),
)


@pytest.mark.parametrize(("sentence", "code", "told"), TOLD, ids=[row[0] for row in TOLD])
def test_the_time_is_told(sentence: str, code: str, told: str, tmp_path: Path) -> None:
    assert run(TIMING + code, tmp_path) == told.split(), sentence


def test_a_seal_that_has_passed_raises_them(tmp_path: Path) -> None:
    code = """
from nlsm import service, starter
class Seal:
    not_before, not_after, security_version, serial = 20000, 30000, 3, 7
    service_version = "1.0"
    grants = ("log",)
one = service.Service("a")
one.due = 5
starter.accept(one, Seal)
print(floors.read()[floors.TIME], floors.read()["a"], len(one.serial), one.due)
"""
    assert run(code, tmp_path) == ["20000", "3", "16", "None"]


CONTEXT = """
from nlsm import bus, context, service
one = service.Service("thermo")
one.grants = ("bus.publish:ok", "pin:4")
class Text(str):
    def split(self, *rest):
        return ["ok"]
class Number(int):
    def __str__(self):
        return "4"
context.serve(None, bus.Bus())
ctx = context.Context(one)
for act in ACTS:
    try:
        act()
    except TypeError:
        print("TypeError")
    else:
        print("done")
"""


def test_values_of_a_services_own_classes_are_refused(tmp_path: Path) -> None:
    acts = """
ACTS = (
    lambda: ctx.publish("ok", 1),
    lambda: ctx.publish(Text("secret"), 1),
    lambda: ctx.publish("ok", Text("x")),
    lambda: ctx.subscribe(Text("ok")),
    lambda: ctx.pin(Number(9)),
)
"""
    assert run(acts + CONTEXT, tmp_path) == ["done"] + 4 * ["TypeError"]
