"""The check that a board finds each module that a service imports."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from triseal.developer import modules
from triseal.errors import UnknownModule


@dataclass(frozen=True)
class _Import:
    """One module that is imported somewhere.

    Attributes:
        name: its full name.
        parts: names that may be modules in it (`from name import part`).
        line: line of the source.
        certain: whether the import fails whenever the module with this line is imported.
        late: whether a function imports it: the node has imported the service by then.
    """

    name: str
    parts: tuple[str, ...]
    line: int
    certain: bool
    late: bool


def check(
    first: str, trees: Mapping[str, ast.Module], paths: Collection[str], needed: Collection[str]
) -> list[str]:
    """Check the imports of all sources.

    Args:
        first: path of the module that the node imports.
        trees: the sources by path.
        paths: paths of all files of the service.
        needed: the `modules` of its metadata.

    Returns: warnings.

    Raises:
        UnknownModule: the import of the service fails on every board.
    """
    own = {_name(path) for path in paths}
    folders = {folder for path in paths for folder in PurePosixPath(path).parents}
    own |= {".".join(folder.parts) for folder in folders} - {""}
    if len(paths) == 1:
        own = {"app"}
    found = {
        path: sorted(_imports(tree, path), key=lambda one: one.line) for path, tree in trees.items()
    }
    surely = _surely_imported(first, found)
    warnings = []
    for path, several in found.items():
        for one in several:
            said = _judge(one, own, needed)
            if said and said[0] and one.certain and path in surely:
                raise UnknownModule(f"{path}:{one.line}: {said[1]}")
            if said:
                warnings.append(f"{path}:{one.line}: {said[1]}")
    return warnings


def _judge(one: _Import, own: Collection[str], needed: Collection[str]) -> tuple[bool, str] | None:
    """Return whether no board has a module, and what to say; None if all is well."""
    if one.name.startswith("."):
        return True, "a relative import works only within a folder of modules"
    if one.name.partition(".")[0] in {name.partition(".")[0] for name in own}:
        if one.name not in own:
            return True, f"there is no {one.name} in the folder"
        if one.late:
            return False, f"{one.name} can be imported only at the top of a module"
        return None
    top = modules.base(one.name)
    if any(one.name == name or one.name.startswith(f"{name}.") for name in needed):
        return None
    if top in needed:
        return None
    if ("." in one.name and top not in modules.PACKAGES) or top not in _KNOWN:
        return True, f"{one.name} is neither in the package nor in MicroPython"
    if top in modules.SOMEWHERE:
        return False, f"not every board has {one.name}; name it under `modules` in the metadata"
    return None


_KNOWN = modules.EVERYWHERE | modules.SOMEWHERE


def _surely_imported(first: str, found: Mapping[str, list[_Import]]) -> set[str]:
    """Return the paths of the sources that are imported whenever the first one is."""
    paths = {_name(path): path for path in found}
    surely: set[str] = set()
    todo = [first]
    while todo:
        path = todo.pop()
        if path in surely or path not in found:
            continue
        surely.add(path)
        for one in found[path]:
            if one.certain:
                names = [one.name, *(f"{one.name}.{part}" for part in one.parts)]
                steps = one.name.split(".")
                names += [".".join(steps[:count]) for count in range(1, len(steps))]
                todo += [paths[name] for name in names if name in paths]
    return surely


def _name(path: str) -> str:
    """Return the name of the module at a path; a package's `__init__` has the package's name."""
    inside = PurePosixPath(path).with_suffix("")
    inside = inside.parent if inside.name == "__init__" else inside
    return ".".join(inside.parts)


def _imports(tree: ast.Module, path: str) -> Iterator[_Import]:
    package = PurePosixPath(path).parent.parts
    todo: list[tuple[ast.AST, bool, bool]] = [(node, True, False) for node in tree.body]
    while todo:
        node, certain, late = todo.pop()
        if isinstance(node, ast.Import):
            for name in node.names:
                yield _Import(name.name, (), node.lineno, certain, late)
        elif isinstance(node, ast.ImportFrom):
            yield _from(node, package, certain=certain, late=late)
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            inner = certain and isinstance(node, ast.ClassDef)
            todo += [(one, inner, late or function) for one in _reached(node)]


def _reached(node: ast.AST) -> Iterator[ast.AST]:
    """Return the parts of a statement, without a block that only a checker of types reads."""
    if isinstance(node, ast.If):
        name = getattr(node.test, "attr", getattr(node.test, "id", ""))
        if name == "TYPE_CHECKING" or (isinstance(node.test, ast.Constant) and not node.test.value):
            return iter(node.orelse)
    return ast.iter_child_nodes(node)


def _from(node: ast.ImportFrom, package: tuple[str, ...], *, certain: bool, late: bool) -> _Import:
    parts = tuple(name.name for name in node.names)
    if not node.level:
        return _Import(node.module or "", parts, node.lineno, certain, late)
    above = package[: len(package) - node.level + 1]
    steps = [*above, *(node.module.split(".") if node.module else [])]
    name = ".".join(steps) if node.level <= len(package) else "." * node.level + (node.module or "")
    return _Import(name, parts, node.lineno, certain, late)
