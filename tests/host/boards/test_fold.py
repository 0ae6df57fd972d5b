"""Public constants of device code become private on the way to a board: nothing else changes."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from boards.code import fold, mpy, stage

ONE = "from sealcore.compat import const\nONE = const(1)\n"


def folded(**modules: str) -> dict[str, str]:
    """Modules of one package by their names, folded."""
    found = fold.constants({f"p/{name}.py": text.encode() for name, text in modules.items()})
    return {path[2:-3]: text.decode() for path, text in found.items()}


def test_a_constant_is_private_to_its_module_and_a_number_elsewhere() -> None:
    found = folded(
        a=ONE + "def f(x=ONE): return x + ONE",
        b="from . import a\nb = a.ONE, a.two",
        c="from p import a as other\ndef f():\n    return 'größer', other.ONE",
    )
    assert found == {
        "a": ONE.replace("ONE", "_ONE") + "def f(x=_ONE): return x + _ONE",
        "b": "from . import a\nb = 1, a.two",
        "c": "from p import a as other\ndef f():\n    return 'größer', 1",
    }


# (a module that uses the constant in a way that can't be followed)
STRANGE = (
    "from .a import ONE",
    "from . import a\nf(a).ONE",
    "from . import a\ngetattr(a, 'ONE')",
    "from . import a\na = f(a)\na.ONE",
    "from . import a\ndef f(a): return a.ONE",
    'from . import a\nf"{a.ONE}"',
    "def f(ONE): pass",
    "other.ONE",
)


@pytest.mark.parametrize("source", STRANGE)
def test_a_constant_that_is_used_strangely_stays(source: str) -> None:
    assert folded(a=ONE, b=source) == {"a": ONE, "b": source}


# (a module whose name is no constant)
OTHERS = (
    ONE + "ONE = 2",
    ONE + "_ONE = 2",
    "ONE = 1",
    "ONE = const(1.5)",
    "ONE = const(True)",
    "ONE = f(1)",
    "one.ONE = const(1)",
    "_ONE = const(1)",
    ONE + "def f():\n    global ONE\n    ONE = 2",
)


@pytest.mark.parametrize("source", OTHERS)
def test_what_is_no_constant_stays(source: str) -> None:
    assert folded(a=source, b="from . import a\na.ONE") == {
        "a": source,
        "b": "from . import a\na.ONE",
    }


def test_a_constant_may_be_a_text() -> None:
    assert folded(a="ONE = const('a\\n' 'ä')\nf(ONE)", b="from . import a\na.ONE") == {
        "a": "_ONE = const('a\\n' 'ä')\nf(_ONE)",
        "b": "from . import a\n'a\\nä'",
    }


def test_two_modules_may_have_a_constant_of_the_same_name() -> None:
    two = ONE.replace("const(1)", "const(2)")
    assert folded(a=ONE, b=two, c="from . import a, b\na.ONE, b.ONE")["c"] == (
        "from . import a, b\n1, 2"
    )


def originals() -> dict[str, bytes]:
    return {
        f"{package}/{name}": source
        for package in stage.PACKAGES
        for name, source in mpy.read_sources(stage.package_folder(package)).items()
    }


class _Undo(ast.NodeTransformer):
    """Replaces each constant of all modules by its value, wherever it is used."""

    def __init__(self, values: dict[tuple[str, str], Any]) -> None:
        self.values = values
        self.named = {name for _, name in values}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id[1:] in self.named and node.id[0] == "_":
            node.id = node.id[1:]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        value = self.values.get((getattr(node.value, "id", ""), node.attr))
        return node if value is None else ast.copy_location(ast.Constant(value), node)


def test_the_code_of_a_board_does_the_same() -> None:
    """With each constant written out, both versions of each module are equal."""
    before = originals()
    after = fold.constants(before)
    values: dict[tuple[str, str], Any] = {
        (path.rpartition("/")[2][:-3], node.targets[0].id): node.value.args[0].value
        for path, source in before.items()
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == "const"
        and isinstance(node.value.args[0], ast.Constant)
    }
    assert values["messages", "HELLO"] == 0
    for path, source in before.items():
        one, other = (
            ast.dump(_Undo(values).visit(ast.parse(text)), include_attributes=False)
            for text in (source, after[path])
        )
        assert one == other, path
        assert after[path].count(b"\n") == source.count(b"\n")


def test_a_board_gets_no_public_number_of_the_messages() -> None:
    assert b"\nHELLO" in originals()["sealcore/messages.py"]
    staged = stage.sources()
    assert b"\nHELLO" not in staged["sealcore/messages.py"]
    assert not any(b"messages.HELLO" in source for source in staged.values())
