"""The folders' arrows, read from the source itself: who may import what."""

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OURS = frozenset({"sealcore", "nlsm", "triseal", "boards", "bench", "tests", "main"})
STANDARD = frozenset(sys.stdlib_module_names)

# Where the differences between interpreters are hidden, clocks among them.
COMPAT = "common/sealcore/compat.py"
TELLS = "device/nlsm/board.py"  # it tells the site, and decides nothing by it
# `sealcore` decides and never acts: no file, socket or clock.
PURE = frozenset({"binascii", "hashlib", "struct"})
# The one place on a node that touches hardware.
BOARD = "device/nlsm/board.py"
HARDWARE = frozenset({"machine", "network"})
# What MicroPython has built in; CPython's library is no measure for code on a board.
LANGUAGE = frozenset({"builtins", "collections", "errno", "gc", "math", "micropython", "sys"})
DATA = frozenset({"array", "binascii", "hashlib", "io", "json", "re", "struct", "uctypes"})
SYSTEM = frozenset(
    {"_thread", "asyncio", "os", "random", "select", "socket", "ssl", "time", "tls", "vfs"}
)
MICROPYTHON = LANGUAGE | DATA | SYSTEM
PORT_SPECIFIC = frozenset({"esp", "esp32", "rp2"})

# Who may import what: a file before the folder that it is in.
ALLOWED = {
    COMPAT: STANDARD | {"micropython", "sealcore"},
    "common/sealcore": PURE | {"collections", "sealcore"},
    BOARD: MICROPYTHON | HARDWARE | PORT_SPECIFIC | {"sealcore", "nlsm"},
    "device/nlsm": MICROPYTHON | {"sealcore", "nlsm"},
    "device/main.py": MICROPYTHON | {"nlsm", "sealcore", "slots"},
    "device/slots.py": MICROPYTHON | {"machine"},  # it guards a trial before it knows any agent
}
# Who must not import which of our packages; anything else is a matter of the dependencies.
REFUSED = {
    "tools/boards": OURS - {"boards"},
    "host/triseal": OURS - {"triseal", "sealcore", "boards"},
}
# What the smallest port leaves out of MicroPython: ESP8266's mpconfigport.h.
NOT_ON_ESP8266 = frozenset({"center", "partition", "rpartition", "splitlines"})
SOURCE_FOLDERS = ("common", "device", "host", "tools")
# Carried into virtual boards and run there, in the place of a port's own modules.
SHIM = "tools/boards/virtual/shim/"
LONGEST_FUNCTION = 50
# Which modules of `triseal` must not import which others; a name stands for all that is below it.
SITE = "triseal.site."
ARROWS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("rules decide without the server", SITE + "rules", (SITE + "server",)),
    (
        "records know nothing of what uses them",
        SITE + "records",
        tuple(
            SITE + name
            for name in ("rules", "views", "server", "cable", "manager", "fleet", "home", "clock")
        ),
    ),
    ("the command line is on top of everything", "triseal", ("triseal.cli",)),
)
ON_TOP = ("triseal.cli", "triseal.__main__")

IMPORTS: tuple[tuple[str, str, list[str]], ...] = (
    ("at the top", "import json, os.path", ["json", "os"]),
    ("a part of a package", "from sealcore.errors import Expired", ["sealcore"]),
    ("under another name", "import machine as hardware", ["machine"]),
    ("late, in a function", "def f():\n    import network", ["network"]),
    ("where it may fail", "try:\n    import vfs\nexcept ImportError:\n    vfs = None", ["vfs"]),
    ("relative imports stay inside", "from . import der\nfrom .errors import Expired", []),
    ("by call", "__import__('machine')", ["machine"]),
)


def sources(folder: str) -> Iterator[tuple[str, ast.Module]]:
    """(path from the root, syntax tree) of the module `folder`, or of every module under it."""
    start = ROOT / folder
    for path in [start] if start.is_file() else sorted(start.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), parsed(path.read_text(encoding="utf-8"))


@functools.cache
def parsed(source: str) -> ast.Module:
    """The syntax tree of a source, which many tests look at."""
    return ast.parse(source)


def imports(tree: ast.AST) -> Iterator[str]:
    """The top-level name of each absolute import, wherever in the module it stands."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(func=ast.Name(id="__import__"), args=[ast.Constant(value=str(name)), *_]):
                yield name.partition(".")[0]


def uses(tree: ast.AST, module: str, attribute: str) -> bool:
    """Whether `module.attribute` is read, or imported from its module."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                if (name, attr) == (module, attribute):
                    return True
            case ast.ImportFrom(module=name, names=names):
                if name == module and attribute in {alias.name for alias in names}:
                    return True
    return False


@pytest.mark.parametrize(("sentence", "source", "expected"), IMPORTS)
def test_imports_are_seen(sentence: str, source: str, expected: list[str]) -> None:
    assert list(imports(ast.parse(source))) == expected, sentence


@pytest.mark.parametrize("place", ALLOWED)
def test_on_a_board_nothing_else_is_imported(place: str) -> None:
    strays = [
        f"{name} imports {module}"
        for name, tree in sources(place)
        if name == place or name not in ALLOWED
        for module in imports(tree)
        if module not in ALLOWED[place]
    ]
    assert strays == []


@pytest.mark.parametrize("folder", REFUSED)
def test_arrows_point_one_way(folder: str) -> None:
    strays = [
        f"{name} imports {module}"
        for name, tree in sources(folder)
        for module in imports(tree)
        if module in REFUSED[folder]
    ]
    assert strays == []


def test_every_folder_of_source_is_there() -> None:
    for folder in (*SOURCE_FOLDERS, *ALLOWED, *REFUSED):
        assert any(sources(folder)), f"{folder} holds no module: has it moved?"


def test_only_two_modules_ask_which_interpreter_runs() -> None:
    asking = [
        name
        for folder in SOURCE_FOLDERS
        for name, tree in sources(folder)
        if uses(tree, "sys", "implementation") and not name.startswith(SHIM)
    ]
    assert set(asking) <= {COMPAT, TELLS}


def test_on_a_board_nothing_is_used_that_a_port_leaves_out() -> None:
    used = [
        f"{name}:{node.lineno} {node.attr}"
        for folder in ("common", "device")
        for name, tree in sources(folder)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in NOT_ON_ESP8266
    ]
    assert used == []


def test_sealcore_opens_no_file() -> None:
    opening = [
        f"{name}:{node.lineno}"
        for name, tree in sources("common")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]
    assert opening == []


def statements(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements of a module: a function stands in no expression, and there are few of them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if not isinstance(child, ast.expr):
            yield from statements(child)


def test_no_function_is_too_long_to_read() -> None:
    long = [
        f"{name}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for folder in (*SOURCE_FOLDERS, "tests")
        for name, tree in sources(folder)
        for node in statements(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


def below(module: str, name: str) -> bool:
    return module == name or module.startswith(name + ".")


def modules(source: str) -> Iterator[str]:
    """Every module that a source may import, by its full name."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def against_arrow(name: str, source: str, whose: str, refused: tuple[str, ...]) -> list[str]:
    if not below(name, whose) or any(below(name, top) for top in ON_TOP):
        return []
    return [m for m in modules(source) if any(below(m, other) for other in refused)]


@pytest.mark.parametrize(("sentence", "whose", "refused"), ARROWS, ids=[row[0] for row in ARROWS])
def test_arrows_inside_triseal_point_one_way(
    sentence: str, whose: str, refused: tuple[str, ...]
) -> None:
    host = ROOT / "host"
    looked_at, wrong = 0, {}
    for path in (host / "triseal").rglob("*.py"):
        name = ".".join(path.relative_to(host).with_suffix("").parts)
        looked_at += below(name, whose)
        found = against_arrow(name, path.read_text(encoding="utf-8"), whose, refused)
        if found:
            wrong[name] = found
    assert looked_at > 5, sentence
    assert wrong == {}, sentence


@pytest.mark.parametrize(
    "source",
    [
        "import triseal.site.server.http",
        "from triseal.site import server",
        "from triseal.site.server.http import app",
        "def late():\n    from triseal.site.server import http",
    ],
)
def test_an_import_against_an_arrow_is_found(source: str) -> None:
    sentence, whose, refused = ARROWS[0]
    assert against_arrow(whose + ".trust", source, whose, refused), sentence
    assert not against_arrow("triseal.site.views.overview", source, whose, refused)


def documented(source: str) -> Iterator[tuple[str, list[str], str]]:
    """Name, arguments and docstring of each public function of a module."""
    bodies = [parsed(source).body]
    for body in bodies:
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                bodies.append(node.body)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                named = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                extra = [node.args.vararg] if node.args.vararg else []
                names = [one.arg for one in named + extra if one.arg not in ("self", "cls")]
                yield node.name, names, ast.get_docstring(node) or ""


def test_public_functions_of_the_host_name_their_arguments() -> None:
    """Ruff's D417 sees only docstrings that have a section `Args`. Commands are left out, as the
    help of their options is in the signature, and so are pytest's fixtures."""
    seen, wrong = 0, []
    for path in (ROOT / "host/triseal").rglob("*.py"):
        if path.parent.name == "cli" or path.name == "testing.py":
            continue
        for name, arguments, text in documented(path.read_text(encoding="utf-8")):
            seen += bool(arguments)
            if any(argument[0] != "_" for argument in arguments) and "Args:" not in text:
                wrong.append(f"{path.name}: {name}")
    assert seen > 300
    assert wrong == []
