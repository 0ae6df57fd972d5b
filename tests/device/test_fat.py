"""A file that is replaced on FAT, where that takes two steps: no cut loses it, nor gets it back."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

BEGUN = """
os.rename(FILES[0], FILES[0] + ".new")
open(FILES[0] + ".new", "wb").close()
start = bytes(flash.data)
cuts(lambda: None)
"""
FLOORS = """
floors._sum = lambda lines: b""
cuts(lambda: floors.write({"new": 1}))
"""
TAKE = """
def take():
    keystore.write("/triseal/incoming/floors", b"new")
    recovery.take()
cuts(take)
"""

HALF = """
with open(FILES[0] + ".new", "wb") as file:
    file.write(b"ne")
start = bytes(flash.data)
cuts(lambda: None)
"""

# (what is done, what the floors and the seal are after some cut of it, of how many names)
ROWS: tuple[tuple[str, str, set[str]], ...] = (
    ("floors that rise", FLOORS, {"old old 2", "new 1 old 2"}),
    ("a seal that is renewed", 'cuts(lambda: keystore.write(FILES[1], b"new"))',
     {"old old 2", "old new 2"}),
    ("one that is not whole yet", HALF, {"old old 2"}),
    ("one that was only begun", BEGUN, {"none old 1"}),
    ("what is taken from incoming", TAKE, {"old old 2", "new old 2"}),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "states"), ROWS, ids=[row[0] for row in ROWS])
def test_a_cut_leaves_the_old_file_or_the_new(sentence: str, code: str, states: set[str]) -> None:
    lines = on_micropython.run("fat", code).splitlines()
    assert {line.rpartition(" ")[0] for line in lines} == states, sentence
    assert lines[-1].endswith("True")


def test_folders_take_the_place_of_what_was_left_of_others() -> None:
    assert on_micropython.run("fat_folders") == "['app.py'] b'two'\n[] ['x']\n"
