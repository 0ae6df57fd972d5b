"""Give arguments of device code short names on the way to a board.

MicroPython keeps the name of every argument, in the `.mpy` file and on the heap, for as long
as the board runs. Nobody reads the names there, so all functions get the same few letters. Line
numbers do not change, and an argument that is passed by keyword keeps its name.
"""

import ast
import functools
import string
from collections.abc import Iterator, Mapping

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def keywords(sources: Mapping[str, bytes]) -> frozenset[str]:
    """Return the names by which any of these modules passes an argument.

    Args:
        sources: the text of each module, by path.
    """
    return frozenset(
        node.arg
        for source in sources.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.keyword) and node.arg
    )


@functools.cache
def arguments(source: bytes, kept: frozenset[str]) -> bytes:
    """Rename the arguments of all functions of a module.

    Args:
        source: the module's text, in UTF-8.
        kept: names that stay, see `keywords`.

    Returns:
        The same module, line by line. A function in which a name can't be followed safely stays as
        it is.
    """
    tree = ast.parse(source)
    known = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    known |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    letters = [letter for letter in string.ascii_lowercase if letter not in known]
    edits: list[tuple[int, int, str, str]] = []
    for function in _outermost(tree):
        if _can_be_followed(function):
            _rename(function, {}, iter(letters), kept, edits)
    lines = source.splitlines(keepends=True)
    for line, column, old, new in sorted(edits, reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + new.encode() + text[column + len(old.encode()) :]
    return b"".join(lines)


def _outermost(node: ast.AST) -> Iterator[_Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            yield child
        else:
            yield from _outermost(child)


def _can_be_followed(function: _Function) -> bool:
    # Positions within f-strings are exact only from Python 3.12 on; a class is one more scope.
    strange = (ast.JoinedStr, ast.ClassDef, ast.Global, ast.Nonlocal)
    return not any(isinstance(node, strange) for node in ast.walk(function))


def _rename(
    function: _Function,
    outer: Mapping[str, str],
    letters: Iterator[str],
    kept: frozenset[str],
    edits: list[tuple[int, int, str, str]],
) -> None:
    own = function.args
    named = [*own.posonlyargs, *own.args, *filter(None, (own.vararg, own.kwarg))]
    fixed = kept | _bound_by_name(function) | {one.arg for one in own.kwonlyargs}
    new = {one.arg: next(letters) for one in named if one.arg not in fixed}
    bound = {one.arg for one in [*named, *own.kwonlyargs]} | _bound_by_name(function)
    names = {old: short for old, short in outer.items() if old not in bound} | new
    edits += [
        (one.lineno, one.col_offset, one.arg, new[one.arg]) for one in named if one.arg in new
    ]
    for node in function.body if isinstance(function.body, list) else [function.body]:
        _rename_uses(node, names, letters, kept, edits)


def _rename_uses(
    node: ast.AST,
    names: Mapping[str, str],
    letters: Iterator[str],
    kept: frozenset[str],
    edits: list[tuple[int, int, str, str]],
) -> None:
    if isinstance(node, ast.Name) and node.id in names:
        edits.append((node.lineno, node.col_offset, node.id, names[node.id]))
    if isinstance(node, _Function):
        # Defaults belong to the scope around it.
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            _rename_uses(default, names, letters, kept, edits)
        _rename(node, names, letters, kept, edits)
        return
    for child in ast.iter_child_nodes(node):
        _rename_uses(child, names, letters, kept, edits)


def _bound_by_name(function: _Function) -> set[str]:
    """Return names that are bound within a function otherwise than by an assignment to a name."""
    bound: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node is not function:
            bound.add(node.name)
        elif isinstance(node, ast.comprehension):
            bound |= {one.id for one in ast.walk(node.target) if isinstance(one, ast.Name)}
    return bound
