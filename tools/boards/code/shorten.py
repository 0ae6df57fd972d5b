"""Give arguments and private names of device code short names on the way to a board.

MicroPython keeps each different name once, in the `.mpy` files and on the heap, for as long as the
board runs. Nobody reads these names there, so all functions get the same few letters for their
arguments, and all modules the same few names for what is private to them. The private attributes of
objects share these few names, too. Line numbers do not change, and an argument that is passed by
keyword keeps its name.
"""

import ast
import re
import string
from collections.abc import Iterator, Mapping

from boards.code import trees
from boards.code.fold import Edits, edited

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_DEF = re.compile(rb"(?:async\s+)?def\s+")


def keywords(sources: Mapping[str, bytes]) -> frozenset[str]:
    """Return the names by which any of these modules passes an argument.

    Args:
        sources: the text of each module, by path.
    """
    return frozenset(
        node.arg
        for source in sources.values()
        for node in ast.walk(trees.parse(source))
        if isinstance(node, ast.keyword) and node.arg
    )


def arguments(source: bytes, kept: frozenset[str]) -> bytes:
    """Rename the arguments of all functions of a module.

    Args:
        source: the module's text, in UTF-8.
        kept: names that stay, see `keywords`.

    Returns:
        The same module, line by line. A function in which a name can't be followed safely stays as
        it is.
    """
    tree = trees.parse(source)
    known = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    known |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    letters = [letter for letter in string.ascii_lowercase if letter not in known]
    edits: Edits = []
    for function in _outermost(tree):
        if _can_be_followed(function):
            _rename(function, {}, iter(letters), kept, edits)
    return edited(source, edits)


def used_elsewhere(sources: Mapping[str, bytes]) -> frozenset[str]:
    """Return the private names that some module takes from another one, or from any object but
    `self`.

    Args:
        sources: the text of each module, by path.
    """
    nodes = [node for source in sources.values() for node in ast.walk(trees.parse(source))]
    taken = [node for node in nodes if isinstance(node, ast.Attribute)]
    names = {one.attr for one in taken if getattr(one.value, "id", "") != "self"}
    names |= {one.name for node in nodes if isinstance(node, ast.ImportFrom) for one in node.names}
    return frozenset(name for name in names if _is_private(name))


def unshared(sources: Mapping[str, bytes]) -> frozenset[str]:
    """Return the names that no module takes from another one, and that are no attribute, argument
    or text either: a public function of such a name is private to its module on a board.

    Args:
        sources: the text of each module, by path.
    """
    found: set[str] = set()
    used: set[str] = set()
    for source in sources.values():
        tree = trees.parse(source)
        found.update(node.name for node in tree.body if isinstance(node, _DEFINITIONS))
        for node in ast.walk(tree):
            used |= set(_mentioned(node))
    # The interpreter calls `__getattr__` of a module.
    return frozenset(name for name in found - used if not name.startswith("__"))


def _mentioned(node: ast.AST) -> Iterator[str]:
    """Yield the names by which a node may reach into another module."""
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.ImportFrom):
        yield from (one.name for one in node.names)
    elif isinstance(node, (ast.keyword, ast.arg)):
        yield node.arg or ""
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from node.value.split()


def privates(source: bytes, kept: frozenset[str], unshared: frozenset[str] = frozenset()) -> bytes:
    """Rename the private functions, classes and variables of a module: `_a`, `_b` and so on.

    Args:
        source: the module's text, in UTF-8.
        kept: names that stay, see `used_elsewhere`.
        unshared: names that are private although they do not look so, see `unshared`.

    Returns:
        The same module, line by line. A name that can't be followed safely stays as it is.
    """
    tree = trees.parse(source)
    known = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    letters = (f"_{letter}" for letter in string.ascii_lowercase if f"_{letter}" not in known)
    strange = kept | _bound_within(tree)
    defined = _defined(tree)
    long = [name for name in defined if _is_private(name) or name in unshared]
    long = [name for name in long if name not in strange]
    names = dict(zip(long, letters, strict=False))  # so many names are enough, or the rest stays
    lines = source.splitlines(keepends=True)
    edits: Edits = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names:
            edits.append((node.lineno, node.col_offset, node.id, names[node.id]))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node in tree.body:
            found = _DEF.match(lines[node.lineno - 1])
            if found and node.name in names:
                edits.append((node.lineno, found.end(), node.name, names[node.name]))
        elif isinstance(node, ast.ClassDef) and node in tree.body and node.name in names:
            edits.append((node.lineno, len("class "), node.name, names[node.name]))
    return edited(source, edits)


def attributes(sources: Mapping[str, bytes], kept: frozenset[str]) -> dict[str, bytes]:
    """Rename the private attributes and methods of all classes: `_a`, `_b` and so on.

    A class and its base never give the same name to different things, also if they are in different
    modules.

    Args:
        sources: the text of each module, in UTF-8, by path such as `nlsm/link.py`.
        kept: names that stay, see `used_elsewhere`.

    Returns:
        The same modules, line by line. A name that can't be followed safely stays as it is.
    """
    trees_of = {path: trees.parse(source) for path, source in sources.items()}
    strange = set(kept).union(*(_texts(tree) for tree in trees_of.values()))
    taken = {getattr(node, "attr", "") for tree in trees_of.values() for node in ast.walk(tree)}
    found = dict(sources)
    for family in _families(trees_of):
        places = [(path, *place) for path in family for place in _attributes(trees_of[path])]
        others = strange.union(*(_other_uses(trees_of[path]) for path in family))
        long = dict.fromkeys(name for *_, name in places if name not in others)
        letters = (f"_{letter}" for letter in string.ascii_lowercase)
        names = dict(zip(long, (one for one in letters if one not in taken), strict=False))
        for path in family:
            edits = [
                (line, column, name, names[name])
                for where, line, column, name in places
                if where == path and name in names
            ]
            found[path] = edited(sources[path], edits)
    return found


def _families(trees_of: Mapping[str, ast.Module]) -> list[list[str]]:
    """Return the paths of the modules, those together whose classes inherit from each other."""
    families = {path: [path] for path in trees_of}
    for path, tree in trees_of.items():
        bases = set(_bases(tree))
        for other in trees_of:
            module = other.rpartition("/")[2].removesuffix(".py")
            if module in bases and families[other] is not families[path]:
                families[path] += families[other]
                families.update(dict.fromkeys(families[other], families[path]))
    return list({id(family): sorted(family) for family in families.values()}.values())


def _bases(tree: ast.Module) -> Iterator[str]:
    """Yield all names in the bases of the module's classes, with the modules that these are of."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    nodes = [node for one in classes for base in one.bases for node in ast.walk(base)]
    names = {getattr(node, "id", "") for node in nodes}
    yield from names
    for node in ast.walk(tree):
        imported = node.names if isinstance(node, ast.ImportFrom) else []
        if names & {one.asname or one.name for one in imported}:
            yield str(getattr(node, "module", "")).rpartition(".")[2]


def _attributes(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    """Yield line, column in bytes and name of each private attribute of `self` or of a class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr) and _of_self(node):
            length = len(node.attr.encode())
            yield node.end_lineno or 0, (node.end_col_offset or 0) - length, node.attr
        elif isinstance(node, ast.ClassDef):
            yield from _of_class(node)


def _of_self(node: ast.Attribute) -> bool:
    return getattr(node.value, "id", "") == "self"


def _of_class(node: ast.ClassDef) -> Iterator[tuple[int, int, str]]:
    for one in node.body:
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_private(one.name):
            before = "async def " if isinstance(one, ast.AsyncFunctionDef) else "def "
            yield one.lineno, one.col_offset + len(before), one.name
        elif isinstance(one, (ast.Assign, ast.AnnAssign)):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            for name in targets:
                if isinstance(name, ast.Name) and _is_private(name.id):
                    yield name.lineno, name.col_offset, name.id


def _other_uses(tree: ast.Module) -> set[str]:
    """Return the names that the module also uses for something else than attributes of `self`."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    own = {
        id(name)
        for body in classes
        for one in body.body
        if isinstance(one, (ast.Assign, ast.AnnAssign))
        for name in ast.walk(one)
    }
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return {name.id for name in names if id(name) not in own or isinstance(name.ctx, ast.Load)}


def _texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of a module, by which it could use an attribute of the same name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):  # positions are exact only from Python 3.12 on
            yield from (getattr(one, "attr", "") for one in ast.walk(node))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _defined(tree: ast.Module) -> list[str]:
    """Return the names that the module itself defines, except constants of `const`."""
    found: dict[str, None] = {}
    for node in tree.body:
        if isinstance(node, _DEFINITIONS):
            found[node.name] = None
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and not _is_const(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update((one.id, None) for one in targets if isinstance(one, ast.Name))
    return list(found)


def _is_const(value: ast.expr | None) -> bool:
    """Tell whether the compiler removes a private name with this value: `const(1)`."""
    function = value.func if isinstance(value, ast.Call) else None
    return isinstance(function, ast.Name) and function.id == "const"


def _bound_within(tree: ast.Module) -> set[str]:
    """Return names that are also bound within functions and classes, or that stand in an f-string,
    where positions are exact only from Python 3.12 on.
    """
    bound: set[str] = set()
    for outer in tree.body:
        inside = isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        for node in ast.walk(outer):
            if isinstance(node, ast.JoinedStr):
                bound |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                bound |= set(node.names)
            elif isinstance(node, _Function):
                bound |= {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
                bound |= _bound_by_name(node)
            elif isinstance(node, ast.ClassDef):
                if node is not outer:
                    bound.add(node.name)
                bound |= {getattr(one, "name", "") for one in node.body}
            elif inside and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.add(node.id)
    return bound


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
    edits: Edits,
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
    edits: Edits,
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
