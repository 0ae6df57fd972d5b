"""Which Wi-Fi a board joins: the first of its settings that it finds."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

ROWS = (
    ("one network, as provisioning wrote it", "join(['a', 'x'], 'a')", "connect a x a"),
    ("a list of one", "join([['a', 'x']], 'a')", "connect a x a"),
    ("the first of two", "join([['a', 'x'], ['b', 'y']], 'ab')", "connect a x a"),
    ("the second, since the first is not there", "join([['a', 'x'], ['b', 'y']], 'b')",
     "connect a x leave connect b y b"),
    ("none of them", "join([['a', 'x'], ['b', 'y']], '')",
     "connect a x leave connect b y leave ! no Wi-Fi"),
    ("already there", "join([['a', 'x'], ['b', 'y']], 'ab', 'b')", "b"),
    ("in a network that the settings no longer name", "join([['b', 'y']], 'ab', 'a')",
     "leave connect b y b"),
    ("no Wi-Fi in the settings", "join(None, 'a')", "None"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "done"), ROWS, ids=[row[0] for row in ROWS])
def test_what_is_joined(sentence: str, code: str, done: str) -> None:
    assert on_micropython.run("wifi", code).split() == done.split(), sentence
