"""The check of the entry of a service: `async def main(ctx)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from triseal.errors import NoMain

NAME = "main"

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Scope = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def check(path: str, tree: ast.Module) -> list[str]:
    """Check that a module has an entry that a node can start.

    Args:
        path: its path, for the errors.
        tree: the module.

    Returns: warnings.

    Raises:
        NoMain: it has none, or one that fails whenever it is called.
    """
    found = [node for node in _bindings(tree) if _binds(node)]
    if not found:
        if any(_may_bind(node) for node in ast.walk(tree)):
            return [f"{path} has no `{NAME}` that can be seen: it must be a coroutine function"]
        raise NoMain(f"{path} has no `{NAME}`")
    wrong = [_what_is_wrong(node) for node in found]
    if all(wrong):  # if there are several, one of them may be right
        raise NoMain(f"{path}:{found[-1].lineno}: {wrong[-1]}")
    plain = [node for node in found if isinstance(node, ast.FunctionDef)]
    if any(not node.decorator_list and not _is_coroutine(node) for node in plain):
        return [f"{path}: `{NAME}` is not async, so what it returns must be awaitable"]
    return []


def argument(tree: ast.Module | None) -> str:
    """Return the name that `main` gives to its argument, "ctx" if that is not known.

    Args:
        tree: the module with `main`, or None.
    """
    for node in _bindings(tree) if tree else ():
        if isinstance(node, _Function) and node.name == NAME:
            first = [*node.args.posonlyargs, *node.args.args][:1]
            return first[0].arg if first else "ctx"
    return "ctx"


def _bindings(tree: ast.Module) -> Iterator[ast.stmt]:
    """Return the statements that run when the module is imported, also those in blocks."""
    todo: list[ast.AST] = list(reversed(tree.body))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, _Scope):
            todo += reversed(list(ast.iter_child_nodes(node)))


def _binds(node: ast.stmt) -> bool:
    """Tell whether a statement gives a value to the name `main`."""
    if isinstance(node, _Function | ast.ClassDef):
        return node.name == NAME
    if isinstance(node, ast.Import | ast.ImportFrom):
        return any((name.asname or name.name) == NAME for name in node.names)
    targets = ast.walk(node) if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr) else ()
    return any(
        isinstance(one, ast.Name) and one.id == NAME and isinstance(one.ctx, ast.Store)
        for one in targets
    )


def _may_bind(node: ast.AST) -> bool:
    """Tell whether `main` may come from elsewhere: a star, `globals()`, `exec`, `global main`."""
    if isinstance(node, ast.ImportFrom):
        return any(name.name == "*" for name in node.names)
    if isinstance(node, ast.Global):
        return NAME in node.names
    if isinstance(node, ast.For | ast.AsyncFor | ast.With | ast.AsyncWith | ast.NamedExpr):
        inner = node.items if isinstance(node, ast.With | ast.AsyncWith) else [node.target]
        return any(
            isinstance(one, ast.Name) and one.id == NAME for part in inner for one in ast.walk(part)
        )
    return isinstance(node, ast.Name) and node.id in ("globals", "exec", "setattr")


def _what_is_wrong(node: ast.stmt) -> str:
    """Return why a binding can't be started, or "" if it can or if that is not known."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        if isinstance(node.value, ast.Constant):
            return f"`{NAME}` is {node.value.value!r}, not a coroutine function"
        return ""
    if not isinstance(node, _Function) or node.decorator_list:
        return ""
    if not _takes_one(node.args):
        return f"`{NAME}` must take one argument, ctx"
    if isinstance(node, ast.FunctionDef) and not _is_coroutine(node) and not _returns(node):
        return f"`{NAME}` is not async: write `async def {NAME}(ctx)`"
    return ""


def _takes_one(given: ast.arguments) -> bool:
    positional = [*given.posonlyargs, *given.args]
    needed = len(positional) - len(given.defaults)
    return needed <= 1 and bool(positional or given.vararg) and None not in given.kw_defaults


def _is_coroutine(node: _Function) -> bool:
    """Tell whether a call returns a coroutine; in MicroPython a generator is one."""
    if isinstance(node, ast.AsyncFunctionDef):
        return True
    return any(isinstance(one, ast.Yield | ast.YieldFrom) for one in _own(node))


def _returns(node: _Function) -> bool:
    return any(isinstance(one, ast.Return) and one.value is not None for one in _own(node))


def _own(function: _Function) -> Iterator[ast.AST]:
    """Return the nodes of a function without those of the functions in it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, _Scope):
            todo += ast.iter_child_nodes(node)
