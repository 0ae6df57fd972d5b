"""One cache of compiled SQL for all SQLite databases of a process.

SQLAlchemy compiles a statement once for each engine. A process has one, except here: tests open
thousands of databases, and to compile the same statements for each took a sixth of their time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as Dialect
from sqlalchemy.util import LRUCache

_SIZE = 2000
_cache: LRUCache[Any, Any] = LRUCache(_SIZE)


def share() -> None:
    """Let all engines for SQLite that are made from now on have the same cache."""
    begin = Engine.__init__

    def __init__(self: Engine, *arguments: Any, **named: Any) -> None:  # noqa: N807
        begin(self, *arguments, **named)
        if type(self.dialect) is Dialect:
            self._compiled_cache = _cache

    # What is compiled for a dialect is found again by it: all of them compile alike.
    Dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
    Dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    Engine.__init__ = __init__  # type: ignore[method-assign]
