"""What a service can't do with values of its own making; the time, and grace that is spent once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device import on_micropython
from tests.device.on_board.moment import NOW


def run(program: str, root: Path, code: str = "") -> list[str]:
    """The words that a program prints, and code after it, /triseal being a folder of a test's."""
    return on_micropython.run(program, code, arguments=[root]).split()


def test_grace_is_spent_once_until_the_time_is_told(tmp_path: Path) -> None:
    assert run("grace", tmp_path) == [
        *("600", "0", "300", "0"),
        "0",
        *("600", "3", str(NOW)),
    ]


def test_floors_that_could_not_be_read_again_are_not_written(tmp_path: Path) -> None:
    assert run("full_floors", tmp_path) == ["218", "219", str(NOW + 3600)]


def test_a_file_that_the_flash_has_no_room_for_leaves_nothing_behind(tmp_path: Path) -> None:
    assert run("no_room", tmp_path) == ["28", "2", "[]"]


def test_where_the_flash_has_no_room_the_agent_goes_on(tmp_path: Path) -> None:
    """A version that could not be remembered is not accepted, and no grace is given twice."""
    assert run("no_room_agent", tmp_path) == [
        *("600", "0", "0", "28", "False", "failed"),
        *("triseal:", "out-of-memory:", "28") * 2,
        "end",
    ]


def test_a_service_is_what_lies_in_its_folder_whatever_another_one_has_imported(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text("main = 'sealed'")
    code = "import sys\nsys.modules['app'] = None\nfrom nlsm import loader\n"
    code += f"print(loader._import({str(tmp_path)!r}).main)"
    assert run("elsewhere", tmp_path, code) == ["sealed"]


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
    ("nor one byte of it", "keystore.write(floors._FILE, b'0')\nkept()", "rollback"),
)


@pytest.mark.parametrize(("sentence", "code", "kept"), RISEN, ids=[row[0] for row in RISEN])
def test_floors(sentence: str, code: str, kept: str, tmp_path: Path) -> None:
    assert run("floors", tmp_path, code) == kept.split(), sentence


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
    assert run("timing", tmp_path, code) == told.split(), sentence


def test_a_seal_that_has_passed_raises_them(tmp_path: Path) -> None:
    assert run("accepted", tmp_path)[:4] == ["20000", "3", "16", "None"]


def test_services_keep_what_is_equal_in_their_seals_once(tmp_path: Path) -> None:
    assert run("accepted", tmp_path)[4:] == ["1.0", "20000", "30001", "('log',)", "True"]


def test_values_of_a_services_own_classes_are_refused(tmp_path: Path) -> None:
    code = """attempt(
    lambda: ctx.publish("ok", 1),
    lambda: ctx.publish(Text("secret"), 1),
    lambda: ctx.publish("ok", Text("x")),
    lambda: ctx.subscribe(Text("ok")),
    lambda: ctx.pin(Number(9)),
)"""
    assert run("context", tmp_path, code) == ["done"] + 4 * ["TypeError"]
