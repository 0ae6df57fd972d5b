"""Find the modules of a set that others need, by reading them; nothing is imported."""

import ast
from collections.abc import Iterable, Iterator, Mapping

from boards.code import trees


def reached(modules: Mapping[str, bytes], start: Iterable[str]) -> set[str]:
    """Return the paths of some modules and of all that they import, early or late.

    A module's name alone in a text counts as an import, because a node loads some modules by name.

    Args:
        modules: sources by path, such as `sealcore/der.py`.
        start: paths of the modules that are needed anyway.
    """
    found: set[str] = set()
    left = set(start)
    while left:
        path = left.pop()
        found.add(path)
        left |= (modules.keys() & set(_named(path, modules[path]))) - found
    return found


def _named(path: str, source: bytes) -> Iterator[str]:
    """Yield the paths of everything that a module may import."""
    tree = trees.parse(source)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = _from(path, node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [] if id(node) in told else node.value.split()
        else:
            continue
        for name in names:
            yield from _paths(name)


def _from(path: str, node: ast.ImportFrom) -> list[str]:
    within = path.split("/")[: -node.level] if node.level else []
    base = ".".join([*within, *([node.module] if node.module else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _paths(name: str) -> Iterator[str]:
    """Yield the paths where a module may be, and of the packages that are loaded before it."""
    parts = name.split(".")
    yield "/".join(parts) + ".py"
    for count in range(1, len(parts) + 1):
        yield "/".join([*parts[:count], "__init__.py"])
