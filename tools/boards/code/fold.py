"""Put the values of public constants into the device code that uses them, on the way to a board.

A board keeps the name of each public constant, and an entry in the dictionary of its module. A
private constant costs nothing there: the compiler puts its value where it is used.
"""

import ast
from collections.abc import Iterator, Mapping

from boards.code import trees

Edits = list[tuple[int, int, str, str]]


def constants(sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """Make all public constants private to their modules, and write their values elsewhere.

    Args:
        sources: the text of each module, in UTF-8, by path such as `sealcore/der.py`.

    Returns:
        The same modules, line by line. A constant whose uses can't all be found stays as it is.
    """
    uses = {path: _Uses(path, source, sources) for path, source in sources.items()}
    strange = {name for one in uses.values() for name in one.strange}
    found = {
        (path, name): value
        for path, source in sources.items()
        for name, value in _defined(trees.parse(source)).items()
        if name not in strange
    }
    return {path: edited(source, uses[path].edits(found)) for path, source in sources.items()}


def edited(source: bytes, edits: Edits) -> bytes:
    """Return the source after replacements.

    Args:
        source: the text of a module, in UTF-8.
        edits: each replacement: line, column in bytes, old text, new text.
    """
    lines = source.splitlines(keepends=True)
    for line, column, old, new in sorted(edits, reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + new.encode() + text[column + len(old.encode()) :]
    return b"".join(lines)


def _defined(tree: ast.Module) -> dict[str, int | str]:
    """Return the public constants of a module that are bound only once, by name."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = [node.id for node in names if isinstance(node.ctx, ast.Store)]
    found = {}
    for node in tree.body:
        value = _value(node.value) if isinstance(node, ast.Assign) else None
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if value is None or not isinstance(target, ast.Name) or target.id.startswith("_"):
            continue
        if bound.count(target.id) == 1 and f"_{target.id}" not in bound:
            found[target.id] = value
    return found


def _value(value: ast.expr) -> int | str | None:
    """Return the number or text in `const(...)`; None for any other expression."""
    if not isinstance(value, ast.Call) or getattr(value.func, "id", "") != "const":
        return None
    inner = getattr(value.args[0], "value", None)
    return inner if type(inner) in (int, str) else None


class _Uses:
    """Where a module uses names that may be constants, of itself or of other modules.

    strange    names that it uses in another way, so that they must not change
    """

    def __init__(self, path: str, source: bytes, sources: Mapping[str, bytes]) -> None:
        self._path = path
        self._tree = trees.parse(source)
        self._modules = dict(_imported(path, self._tree, sources))
        self.strange: set[str] = set()
        for node in ast.walk(self._tree):
            self.strange |= set(self._strange(node))

    def _strange(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Attribute) and not self._module(node):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.JoinedStr):  # positions are exact only from Python 3.12 on
            for one in ast.walk(node):
                yield getattr(one, "id", getattr(one, "attr", ""))

    def _module(self, node: ast.Attribute) -> str:
        """Return the path of the module of which this is an attribute; else an empty text."""
        return self._modules.get(getattr(node.value, "id", ""), "")

    def edits(self, found: Mapping[tuple[str, str], int | str]) -> Edits:
        """Return what to replace.

        Args:
            found: the constants that may change, by path and name.
        """
        edits: Edits = []
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Name) and (self._path, node.id) in found:
                edits.append((node.lineno, node.col_offset, node.id, "_" + node.id))
            elif isinstance(node, ast.Attribute) and (self._module(node), node.attr) in found:
                value = repr(found[self._module(node), node.attr])
                text = f"{getattr(node.value, 'id', '')}.{node.attr}"
                edits.append((node.lineno, node.col_offset, text, value))
        return edits


def _imported(
    path: str, tree: ast.Module, sources: Mapping[str, bytes]
) -> Iterator[tuple[str, str]]:
    """Yield each name that stands for one of the modules and nothing else, with that one's path."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            within = path.split("/")[: -node.level] if node.level else []
            within += node.module.split(".") if node.module else []
            for one in node.names:
                found.setdefault(one.asname or one.name, set()).add("/".join([*within, one.name]))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, set()).add("")
        elif isinstance(node, ast.arg):
            found.setdefault(node.arg, set()).add("")
    for name, places in found.items():
        place = f"{places.pop()}.py"
        if not places and place in sources:
            yield name, place
