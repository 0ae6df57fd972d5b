"""The check that the metadata of a service asks for the grants that its sources need."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterator, Mapping

from sealcore import errors, grants
from triseal.developer import entry

_KINDS = {
    "publish": grants.PUBLISH,
    "subscribe": grants.SUBSCRIBE,
    "pin": grants.PIN,
    "timer": grants.TIMER,
    "config": grants.CONFIG,
    "log": grants.LOG,
}
_WHOLE = (grants.TIMER, grants.LOG)  # they have nothing behind a colon
_ATTRIBUTES = (*_KINDS, "name")


def check(
    trees: Mapping[str, ast.Module], argument: str, capabilities: Collection[str]
) -> list[str]:
    """Compare the uses of `ctx` and `print` with the capabilities.

    Args:
        trees: the sources by path.
        argument: the name of the argument of `main`.
        capabilities: the grants that the metadata asks for.

    Returns: warnings: a line may never be reached, or may expect that it has no grant.
    """
    warnings = []
    for path, tree in trees.items():
        for call in _calls(tree, {argument, "ctx"}):
            lack = _lack(call, capabilities)
            if lack:
                warnings.append(
                    f"{path}:{call.lineno}: {lack}, which the metadata does not ask for"
                )
        warnings += [
            f"{path}:{node.lineno}: ctx has no `{node.attr}`{_meant(node.attr)}"
            for node in _attributes(tree, argument)
            if node.attr not in _ATTRIBUTES
        ]
    return warnings


def _calls(tree: ast.Module, names: Collection[str]) -> Iterator[ast.Call]:
    """Return the calls of `print`, and of the methods of what is called `ctx` or `self.ctx`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _KINDS:
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if name in names:
                yield node


def _attributes(tree: ast.Module, argument: str) -> Iterator[ast.Attribute]:
    """Return the attributes of the argument of `main` that `main` itself uses."""
    for function in tree.body:
        if isinstance(function, ast.AsyncFunctionDef) and function.name == entry.NAME:
            attributes = [one for one in ast.walk(function) if isinstance(one, ast.Attribute)]
            for node in attributes:
                if isinstance(node.value, ast.Name) and node.value.id == argument:
                    yield node


def _lack(node: ast.Call, capabilities: Collection[str]) -> str:
    """Return which capability a call needs and does not have, or ""."""
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    shown = f"ctx.{method}" if method else "print"
    kind = _KINDS.get(method, grants.LOG)
    what = "" if kind in _WHOLE else _constant(node)
    if what is None:
        has = any(one.startswith(f"{kind}:") for one in capabilities)
        return "" if has else f"{shown} needs a capability {kind}:..."
    try:
        grants.require(capabilities, kind, what)
    except errors.NotGranted as error:
        return f"{shown} needs the capability {error}"
    return ""


def _constant(node: ast.Call) -> str | None:
    """Return the topic, filter, number or key if the source states it."""
    first = node.args[0] if node.args else None
    known = isinstance(first, ast.Constant) and type(first.value) in (str, int)
    return str(first.value) if known and isinstance(first, ast.Constant) else None


def _meant(name: str) -> str:
    near = difflib.get_close_matches(name, _ATTRIBUTES, 1)
    near = near or (["pin"] if name in ("gpio", "Pin") else [])
    return f"; did you mean `{near[0]}`?" if near else f": it has {', '.join(_ATTRIBUTES)}"
