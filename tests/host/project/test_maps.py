"""The maps of modules name every module and no other, and the folders import what they may."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.host.project.maps import ROOT, listed

# A page with a map, and the folders whose modules it must name.
MAPS = {
    "host/ARCHITECTURE.md": ("host/triseal",),
    "common/README.md": ("common",),
    "device/README.md": ("device",),
    "tests/README.md": ("tests",),
    "tools/README.md": ("tools",),
    "tools/boards/README.md": ("tools/boards",),
}
# Which folders have a map of their own, below one that has another.
BELOW = {"tools": "tools/boards/"}
# Files of a board and of a service, which pages mention too.
NOT_OURS = {"app.py", "boot.py"}
TRISEAL = ROOT / "host" / "triseal"
# The modules at the top that stand above the folders, as the page says.
ABOVE = {
    "__main__.py": {"cli"},
    "inspect.py": {"log"},
    "testing.py": {"developer", "store", "site", "site/cable"},
}


def modules(folder: str) -> set[str]:
    """All modules under a folder, without tests and `__init__.py`; these say what they are."""
    below = BELOW.get(folder, "-")
    found = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py"))
    return {
        path.as_posix()
        for path in found
        if path.name != "__init__.py"
        and not path.name.startswith("test_")
        and not path.as_posix().startswith(below)
    }


@pytest.mark.parametrize("page", MAPS)
def test_a_map_names_every_module_once_and_no_other(page: str) -> None:
    named = listed(page)
    assert sorted(named) == sorted(set(named)), "a module is named twice"
    there = set().union(*(modules(folder) for folder in MAPS[page]))
    assert set(named) - there == set(), "named, but not there"
    assert there - set(named) == set(), "there, but not named"


@pytest.mark.parametrize("suite", ["device", "hil"])
def test_each_program_for_boards_is_run_by_a_test(suite: str) -> None:
    folder = ROOT / "tests" / suite
    programs = {path.stem for path in (folder / "on_board").glob("*.py")}
    tests = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    run = {name for name in programs if re.search(rf'"{name}(\.py)?"', tests)}
    sources = {name: (folder / "on_board" / f"{name}.py").read_text() for name in programs}
    imported = {
        name
        for name in programs
        if any(re.search(rf"^(import|from) {name}\b", source, re.M) for source in sources.values())
    }
    assert programs - run - imported == set()


def test_what_the_maps_leave_out_holds_no_code() -> None:
    for folder in ("host/triseal", "device", "common", "tools/boards"):
        for path in (ROOT / folder).rglob("__init__.py"):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert all(isinstance(node, ast.Expr) for node in body), path


def allowed() -> dict[str, set[str]]:
    """The table of the page: what each folder of `triseal` may import; the top is ""."""
    text = (ROOT / "host/ARCHITECTURE.md").read_text(encoding="utf-8")
    section = re.search(r"^## What may import what\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section
    rows = re.findall(r"^\| `([a-z/]+)` \| (.*) \|$", section[1], re.MULTILINE)
    table = {folder: set(re.findall(r"`([a-z/]+)`", cell)) | {""} for folder, cell in rows}
    assert len(table) == len(rows)
    return table | {"": set()}


def folder_of(module: str) -> str:
    """The folder of `triseal` that a dotted name is in."""
    parts = module.split(".")[1:]
    while parts and not (TRISEAL / "/".join(parts)).is_dir():
        parts.pop()
    return "/".join(parts)


def imported(path: Path) -> set[str]:
    """Folders of `triseal` that a module imports from, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {folder_of(name) for name in found if name.split(".")[0] == "triseal"}


def test_folders_import_what_the_table_allows() -> None:
    table = allowed()
    folders = {path.parent.relative_to(TRISEAL).as_posix() for path in TRISEAL.rglob("*.py")}
    assert {"" if folder == "." else folder for folder in folders} == set(table)
    strays = []
    for path in sorted(TRISEAL.rglob("*.py")):
        name = path.relative_to(TRISEAL)
        own = "" if name.parent == Path() else name.parent.as_posix()
        may = table[own] | {own} | (ABOVE.get(name.name, set()) if not own else set())
        strays += [f"{name} imports {folder}" for folder in sorted(imported(path) - may)]
    assert strays == []


def test_every_file_that_the_page_of_changes_names_is_there() -> None:
    text = (ROOT / "host/ARCHITECTURE.md").read_text(encoding="utf-8")
    section = re.search(r"^## Where to change what\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section
    paths = re.findall(r"`((?:common|device|host|tools)/[^`]+)`", section[1])
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", ["host/ARCHITECTURE.md", "README.md", "device/SERVICES.md", *MAPS])
def test_every_module_that_a_page_mentions_is_there(page: str) -> None:
    """By the end of its path: `rules/trust.py` is enough in a page about the site."""
    known = {
        path.relative_to(ROOT).as_posix()
        for folder in ("common", "device", "host", "tests", "tools")
        for path in (ROOT / folder).rglob("*.py")
    }
    text = (ROOT / page).read_text(encoding="utf-8")
    names = set(re.findall(r"`((?:[a-z0-9_]+/)*[a-z0-9_]+\.py)`", text)) - NOT_OURS
    lost = [name for name in names if not any(("/" + path).endswith("/" + name) for path in known)]
    assert lost == []
