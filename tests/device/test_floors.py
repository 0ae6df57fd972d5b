"""What a service can't do with values of its own making, and grace that is spent once."""

from __future__ import annotations

import subprocess
from pathlib import Path

from boards import micropython

ROOT = Path(__file__).resolve().parent.parent.parent


def on_micropython(code: str, root: Path) -> str:
    """Run code with the device's modules, /triseal being a folder of the test's."""
    paths = f"import sys\nsys.path[:0] = [{str(ROOT / 'common')!r}, {str(ROOT / 'device')!r}]\n"
    moved = (
        "from nlsm import keystore\n"
        f"keystore.ROOT = {str(root)!r}\n"
        "from nlsm import floors\n"
        "floors._FILE = keystore.ROOT + '/floors'\n"
    )
    run = subprocess.run(
        [micropython.find(), "-c", paths + moved + code],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_grace_is_spent_once_until_the_time_is_told(tmp_path: Path) -> None:
    code = """
from nlsm import grace
print(grace.spend(600), grace.spend(600), grace.spend(900), grace.spend(600))
floors.rise(1795363200, "thermo", 3)
print(grace.spend(600))
grace.restore()
print(grace.spend(600), floors.read()["thermo"], floors.read()[floors.TIME])
"""
    assert on_micropython(code, tmp_path).split() == [
        *("600", "0", "300", "0"),
        "0",
        *("600", "3", "1795363200"),
    ]


def test_an_answer_that_comes_late_is_none(tmp_path: Path) -> None:
    code = """
import time
from nlsm import clock
from sealcore import errors
for passed in (0, 29000, 30001, -1000):
    question = clock.Question()
    question._asked = time.ticks_add(time.ticks_ms(), -passed)
    try:
        print(len(question.answered()[0]))
    except errors.BadMessage:
        print("refused")
"""
    assert on_micropython(code, tmp_path).split() == ["16", "16", "refused", "refused"]


CONTEXT = """
from nlsm import bus, context
class Service:
    name = "thermo"
    grants = ("bus.publish:ok", "pin:4")
    denied = []
    def deny(self, detail):
        self.denied.append(detail)
class Text(str):
    def split(self, *rest):
        return ["ok"]
class Number(int):
    def __str__(self):
        return "4"
ctx = context.Context(Service(), None, bus.Bus())
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
    assert on_micropython(acts + CONTEXT, tmp_path).split() == ["done"] + 4 * ["TypeError"]
