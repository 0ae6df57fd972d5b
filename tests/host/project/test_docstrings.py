"""Docstrings of shared code and of tools: each public function names all of its arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("common/sealcore", "tools/boards", "tools/bench", "tools/docs")
FILES = ("tools/environment.py", "tools/fresh.py")
# They have the interfaces of MicroPython's own modules, which its documentation describes.
IMITATIONS = "tools/boards/virtual/shim/"
# pytest decides what these are given.
HOOKS = "tools/boards/testing/plugin.py"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> list[str]:
    """Modules whose docstrings are looked at, by path from the root."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    names = sorted(path.relative_to(ROOT).as_posix() for path in found)
    return [name for name in (*names, *FILES) if not name.startswith((IMITATIONS, HOOKS))]


def public(node: ast.AST) -> Iterator[Function]:
    """Functions and methods whose names and classes have no underscore in front."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function) and not child.name.startswith("_"):
            yield child
        elif isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public(child)


def unnamed(function: Function) -> list[str]:
    """Arguments that the docstring does not name; a bare underscore is no argument to speak of."""
    text = ast.get_docstring(function) or ""
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    names = [one.arg for one in [*every, *filter(None, [function.args.vararg])]]
    wanted = [name for name in names if name not in ("self", "cls", "_")]
    return [name for name in wanted if not re.search(rf"\b{name}\b", text)]


@pytest.mark.parametrize("path", sources())
def test_docstrings_name_all_arguments(path: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    missing = {one.name: names for one in public(tree) if (names := unnamed(one))}
    assert missing == {}
    assert [one.name for one in public(tree) if not ast.get_docstring(one)] == []


def test_an_argument_that_is_not_named_is_seen() -> None:
    tree = ast.parse('def f(a, *b, c, self_=1):\n    """Use `a` and self_."""\n')
    assert [unnamed(one) for one in public(tree)] == [["c", "b"]]
