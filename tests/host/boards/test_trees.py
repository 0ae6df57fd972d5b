"""Threads of one process work on several boards, and CPython makes one syntax tree at a time."""

from __future__ import annotations

from pathlib import Path

import boards
from boards.code import trees

ROOT = Path(boards.__file__).parent


def test_nothing_else_makes_syntax_trees() -> None:
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sorted(ROOT.rglob("*.py"))
        if any(call in path.read_bytes() for call in (b"ast.parse(", b"ast.literal_eval("))
    ]
    assert found == ["code/trees.py"]


def test_a_tree_and_a_literal() -> None:
    assert [type(one).__name__ for one in trees.parse(b"a = 1").body] == ["Assign"]
    assert trees.literal("(1, 'x')") == (1, "x")
