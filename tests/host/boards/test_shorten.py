"""Names in device code get short on the way to a board, and nothing else changes."""

from __future__ import annotations

import ast
import dis
import functools
import re
from types import CodeType
from typing import Any

import pytest

from boards.code import mpy, shorten, stage


def originals() -> dict[str, bytes]:
    return {
        f"{package}/{name}": source
        for package in stage.PACKAGES
        for name, source in mpy.read_sources(stage.package_folder(package)).items()
    }


SOURCES = originals()
VARIABLES = re.compile("_FAST|_DEREF")
GLOBALS = re.compile("_(GLOBAL|NAME)$")
PRIVATE = re.compile("_(?!_)")
PRIVATE_CLASS = re.compile(r"_(?!_)\w+")  # a class has its name as a constant, too


@functools.cache
def kept() -> Any:
    return shorten.keywords(SOURCES)


@functools.cache
def elsewhere() -> Any:
    return shorten.used_elsewhere(SOURCES)


def makes_closure(one: dis.Instruction, cells: set[str]) -> bool:
    """Whether it only hands variables to a function within: that goes in the order of their names,
    and the instructions that use them say the same."""
    if one.opname in ("MAKE_CELL", "COPY_FREE_VARS", "LOAD_CLOSURE"):
        return True
    return one.opname.startswith("LOAD_FAST") and one.argval in cells


def structure(code: CodeType, private: dict[str, int]) -> object:
    """All of a code object but for the names of its variables, which get numbers in their order.

    `private` has such numbers for the private names of the module.
    """
    numbers: dict[str, int] = {}
    name: object = code.co_name
    if PRIVATE.match(code.co_name):
        name = private.setdefault(code.co_name, len(private))
    cells = {*code.co_cellvars, *code.co_freevars}

    def named(one: dis.Instruction) -> object:
        if isinstance(one.argval, CodeType):
            return structure(one.argval, private)
        if VARIABLES.search(one.opname):  # some instructions of newer Pythons have two of them
            names = one.argval if isinstance(one.argval, tuple) else (one.argval,)
            return [numbers.setdefault(name, len(numbers)) for name in names]
        if one.opname == "LOAD_CONST" and PRIVATE_CLASS.fullmatch(str(one.argval)):
            return private.setdefault(one.argval, len(private))
        if GLOBALS.search(one.opname) and PRIVATE.match(one.argval):
            return private.setdefault(one.argval, len(private))
        return repr(one.argval)

    made = list(dis.get_instructions(code))
    for index, one in enumerate(made):
        # Which attributes a class sets by `self`, under that name: newer Pythons note it.
        if one.argval == "__static_attributes__":
            del made[index - 1 : index + 1]
            break
    found = [
        (one.opname, one.starts_line is not None, named(one))
        for one in made
        if not makes_closure(one, cells)
    ]
    flags = code.co_argcount, code.co_kwonlyargcount, code.co_flags, code.co_firstlineno
    return flags, name, found


def compiled(source: bytes) -> CodeType:
    """Without annotations, which name the arguments and which MicroPython drops."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None, lineno=node.lineno, col_offset=0)
            node.simple = 0  # so that no dictionary of annotations gets the name
    return compile(tree, "module", "exec")


@pytest.mark.parametrize("path", sorted(SOURCES))
def test_a_module_does_the_same(path: str) -> None:
    source = SOURCES[path]
    short = shorten.arguments(source, kept())
    assert short.count(b"\n") == source.count(b"\n")
    assert structure(compiled(short), {}) == structure(compiled(source), {})


@pytest.mark.parametrize("path", sorted(SOURCES))
def test_a_module_does_the_same_with_other_private_names(path: str) -> None:
    source = SOURCES[path]
    short = shorten.privates(source, elsewhere())
    assert short.count(b"\n") == source.count(b"\n")
    assert structure(compiled(short), {}) == structure(compiled(source), {})


# (before, after, names that are used as keywords)
CASES = (
    ("def f(data, size=1): return data[size]", "def f(a, b=1): return a[b]", ()),
    ("def f(a, b): return b", "def f(c, d): return d", ()),
    ("def f(self, *it, **how): self(*it, **how)", "def f(a, *b, **c): a(*b, **c)", ()),
    ("def f(data, *, end): return data, end", "def f(a, *, end): return a, end", ()),
    ("def f(data, end): return data, end", "def f(a, end): return a, end", ("end",)),
    ("def f(x=data): return x.data", "def f(a=data): return a.data", ()),
    ("f = lambda data: data + e", "f = lambda a: a + e", ()),
    (
        "def f(data):\n    def g(size, more=data): return data + size + more\n    return g",
        "def f(a):\n    def g(b, c=a): return a + b + c\n    return g",
        (),
    ),
    (
        "def f(data):\n    def g(data): return data\n    return g(data)",
        "def f(a):\n    def g(b): return b\n    return g(a)",
        (),
    ),
    ('def f(wort): return "größer", wort', 'def f(a): return "größer", a', ()),
)
# What binds the same name in another way, or hides where it stands.
LEFT = (
    "def f(one): return [one for one in one]",
    "def f(error):\n    try: g()\n    except E as error: pass",
    "def f(os):\n    import os",
    "def f(data):\n    global d\n    d = data",
    "def f(data):\n    class C:\n        data = data",
    'def f(data): return f"{data}"',
)


@pytest.mark.parametrize(("before", "after", "kept"), CASES)
def test_what_is_renamed(before: str, after: str, kept: tuple[str, ...]) -> None:
    assert shorten.arguments(before.encode(), frozenset(kept)).decode() == after


@pytest.mark.parametrize("source", LEFT)
def test_what_stays_as_it_is(source: str) -> None:
    assert shorten.arguments(source.encode(), frozenset()).decode() == source


# (before, after, names that other modules take)
PRIVATES = (
    ("def _read(data): return _more(data)", "def _a(data): return _more(data)", ()),
    ("async def _read(): pass\n_read()", "async def _a(): pass\n_a()", ()),
    ("_seen = []\n_kept: list = _seen", "_a = []\n_b: list = _a", ()),
    ("_a = 1\n_seen = _a", "_b = 1\n_c = _b", ()),
    ("_SIZE = const(3)\ndef f(): return _SIZE", "_SIZE = const(3)\ndef f(): return _SIZE", ()),
    ("_seen = []\n_kept = 1", "_seen = []\n_a = 1", ("_seen",)),
    ("__all__ = []", "__all__ = []", ()),
    (
        "def _f():\n    def _g(): pass\n    return _g",
        "def _a():\n    def _g(): pass\n    return _g",
        (),
    ),
    ("def _one(self): self._one(_one)", "def _a(self): self._one(_a)", ()),
    ("class _Seen(B): pass\n_Seen()", "class _a(B): pass\n_a()", ()),
)
# (modules before, and after) where the names that no other module takes become private
UNSHARED: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
    (
        {"a": "def one(x): return two(x)\ndef two(x): pass", "b": "from a import one\none(1)"},
        {"a": "def one(x): return _a(x)\ndef _a(x): pass", "b": "from a import one\none(1)"},
    ),
    (
        {"a": "class One: pass\nmade = One()\nasync def two(): pass", "b": "import a\na.made"},
        {"a": "class _a: pass\nmade = _a()\nasync def _b(): pass", "b": "import a\na.made"},
    ),
)
# Modules that may reach `one` by its name, or by an object that has such an attribute.
SHARED = (
    "import a\na.one()",
    "from a import one",
    "from a import one as two",
    "def f(x): x.one = 1",
    'getattr(a, "one")',
    '_NAMES = "two one"',
    "f(one=1)",
    "def f(one): pass",
)
# What binds the same name elsewhere, too, or hides where it stands.
PRIVATES_LEFT = (
    "_seen = 0\ndef f():\n    global _seen\n    _seen = 1",
    "_seen = 0\ndef f():\n    _seen = 1",
    "_seen = 0\ndef f(_seen): pass",
    "_seen = 0\nclass C:\n    _seen = 1",
    "_seen = 0\nclass C:\n    def _seen(self): pass",
    '_seen = 0\ndef f(): return f"{_seen}"',
    "class C:\n    class _Seen: pass",
)


@pytest.mark.parametrize(("before", "after", "kept"), PRIVATES)
def test_which_private_names_are_renamed(before: str, after: str, kept: tuple[str, ...]) -> None:
    assert shorten.privates(before.encode(), frozenset(kept)).decode() == after


@pytest.mark.parametrize(("before", "after"), UNSHARED)
def test_names_that_no_other_module_takes_are_private(
    before: dict[str, str], after: dict[str, str]
) -> None:
    modules = {path: source.encode() for path, source in before.items()}
    own = shorten.unshared(modules)
    for path, source in modules.items():
        assert shorten.privates(source, frozenset(), own).decode() == after[path]


def test_names_that_the_interpreter_calls_are_not_private() -> None:
    assert not shorten.unshared({"a": b"def __getattr__(name): pass"})


@pytest.mark.parametrize("other", SHARED)
def test_a_name_that_another_module_may_take_is_not_private(other: str) -> None:
    assert "one" not in shorten.unshared({"a": b"def one(): pass", "b": other.encode()})


def test_a_board_has_no_names_of_sealcore_that_only_one_module_uses() -> None:
    found = stage.sources()
    assert b"check_utf8" not in found["sealcore/der.py"]
    assert b"check_package" not in found["sealcore/custody.py"]
    assert b"def check(" in found["sealcore/custody.py"]
    # A computer calls this one.
    assert b"def challenge(" in found["nlsm/install.py"]


@pytest.mark.parametrize("source", PRIVATES_LEFT)
def test_which_private_names_stay(source: str) -> None:
    assert shorten.privates(source.encode(), frozenset()).decode() == source


# (modules of one package before, and after)
ATTRIBUTES: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
    (
        {"a": "class C:\n    _one = 1\n    def _two(self): return self._one, self._two, self.six"},
        {"a": "class C:\n    _a = 1\n    def _b(self): return self._a, self._b, self.six"},
    ),
    (
        {"a": "class C:\n    async def _one(self):\n        self._größe = 'ä', self._one"},
        {"a": "class C:\n    async def _a(self):\n        self._b = 'ä', self._a"},
    ),
    # A class and its base share an object, and the classes of two other modules do not.
    (
        {"a": "class A:\n    def f(self): self._one = self._two",
         "b": "from . import a\nclass B(a.A):\n    def f(self): self._three = self._one",
         "c": "from .b import B\nclass C(B):\n    def f(self): self._four = 1",
         "d": "class D:\n    def f(self): self._two = 2"},
        {"a": "class A:\n    def f(self): self._a = self._b",
         "b": "from . import a\nclass B(a.A):\n    def f(self): self._c = self._a",
         "c": "from .b import B\nclass C(B):\n    def f(self): self._d = 1",
         "d": "class D:\n    def f(self): self._a = 2"},
    ),
    # A short name that any object has already is not given again.
    (
        {"a": "class A:\n    def f(self): self._one = other._a"},
        {"a": "class A:\n    def f(self): self._b = other._a"},
    ),
)  # fmt: skip
# (modules in which the attribute `_one` is used in another way, too)
ATTRIBUTES_LEFT: tuple[dict[str, str], ...] = (
    {"a": "class A:\n    def f(self, other): self._one = other._one"},
    {"a": "class A:\n    def f(self): self._one = 1", "b": "f(x)._one"},
    {"a": "class A:\n    def f(self): self._one = 1", "b": "getattr(x, '_one')"},
    {"a": "class A:\n    _one = 1\n    two = _one"},
    {"a": "class A:\n    def f(self): self._one = _one"},
    {"a": 'class A:\n    def f(self): self._one = 1; f"{self._one}"'},
    {"a": "class A:\n    def f(self): self.__one__ = 1"},
)


@pytest.mark.parametrize(("before", "after"), ATTRIBUTES)
def test_which_attributes_are_renamed(before: dict[str, str], after: dict[str, str]) -> None:
    assert shortened(before) == after


@pytest.mark.parametrize("modules", ATTRIBUTES_LEFT)
def test_which_attributes_stay(modules: dict[str, str]) -> None:
    assert shortened(modules) == modules


def shortened(modules: dict[str, str]) -> dict[str, str]:
    sources = {f"p/{name}.py": text.encode() for name, text in modules.items()}
    found = shorten.attributes(sources, shorten.used_elsewhere(sources))
    return {path[2:-3]: text.decode() for path, text in found.items()}


class _Numbered(ast.NodeVisitor):
    """Gives the private attributes of a module numbers, in the order in which they stand there."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, name: str) -> str:
        if not PRIVATE.match(name):
            return name
        return f"<{self.numbers.setdefault(name, len(self.numbers))}>"

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        node.attr = self.number(node.attr)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for one in node.body:
            targets = one.targets if isinstance(one, ast.Assign) else [getattr(one, "target", one)]
            for target in targets:
                if isinstance(target, ast.FunctionDef | ast.AsyncFunctionDef):
                    target.name = self.number(target.name)
                elif isinstance(target, ast.Name):
                    target.id = self.number(target.id)
        self.generic_visit(node)


def test_all_modules_do_the_same_with_other_attributes() -> None:
    """Names of one module that differ still differ, and those that are equal still are."""
    after = shorten.attributes(SOURCES, elsewhere())
    changed = 0
    for path, source in SOURCES.items():
        dumps = []
        for text in (source, after[path]):
            tree = ast.parse(text)
            _Numbered().visit(tree)
            dumps.append(ast.dump(tree))
        assert dumps[0] == dumps[1], path
        assert after[path].count(b"\n") == source.count(b"\n")
        changed += after[path] != source
    assert changed > 15


def test_private_names_that_others_take_are_found() -> None:
    found = shorten.used_elsewhere(
        {"a.py": b"from b import _one, two\nself._three\n", "b.py": b"a._four(x.five)\na.__six__"}
    )
    assert found == {"_one", "_four"}


def test_names_that_are_passed_by_name_are_found() -> None:
    found = shorten.keywords(
        {"a.py": b"f(1, end=2)\n", "b.py": b"def g():\n    h(sep=3, **more)\n"}
    )
    assert found == {"end", "sep"}


def test_services_find_the_arguments_of_ctx_by_their_names() -> None:
    assert b"def subscribe(self, pattern: str)" in stage.sources()["nlsm/context.py"]
    assert b"def subscribe(self, pattern: str" not in stage.sources()["nlsm/bus.py"]
