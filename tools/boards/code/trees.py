"""Syntax trees of Python, one at a time.

CPython counts the depth of a tree for all threads together. If two threads make a tree at the same
moment, it raises SystemError, "AST constructor recursion depth mismatch" (seen with 3.11.7).
"""

import ast
import threading
from typing import Any

_one_at_a_time = threading.Lock()


def parse(source: bytes) -> ast.Module:
    """Return the tree of a module's `source`. Raises: as `ast.parse`."""
    with _one_at_a_time:
        return ast.parse(source)


def literal(text: str) -> Any:
    """Return the value of the literal `text`. Raises: as `ast.literal_eval`."""
    with _one_at_a_time:
        return ast.literal_eval(text)
