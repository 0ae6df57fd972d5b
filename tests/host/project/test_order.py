"""Files that wait and files that compute take turns, and none is lost."""

from __future__ import annotations

import pytest

from tests import order

ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("as many of both", "ab", "12", "a1b2"),
    ("fewer that wait", "ab", "1234", "a1b234"),
    ("more that wait", "abcd", "1", "a1bcd"),
    ("none that wait", "", "12", "12"),
    ("nothing", "", "", ""),
)


@pytest.mark.parametrize(("sentence", "some", "others", "due"), ROWS)
def test_they_take_turns(sentence: str, some: str, others: str, due: str) -> None:
    assert "".join(order.mixed(some, others)) == due, sentence
