"""Syntax trees of Python, one at a time.

CPython counts how deep it is in a tree for all threads together: where two make one at the same
moment, it raises SystemError, "AST constructor recursion depth mismatch" (seen with 3.11.7).
"""

import ast
import threading
from typing import Any

_one_at_a_time = threading.Lock()


def parse(source: bytes) -> ast.Module:
    """The tree of a module; raises as `ast.parse`."""
    with _one_at_a_time:
        return ast.parse(source)


def literal(text: str) -> Any:
    """The value of a literal; raises as `ast.literal_eval`."""
    with _one_at_a_time:
        return ast.literal_eval(text)
