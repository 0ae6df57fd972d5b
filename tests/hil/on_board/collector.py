"""Replaces the module `gc` for the node's code by one that collects nothing.

There is plenty of memory where this is imported, and the interpreter still collects when the heap
is full. The collections that the node asks for would take four fifths of the time.
"""

import sys


class Collector:
    """What the node's code uses of `gc`."""

    @staticmethod
    def collect() -> None:
        pass

    @staticmethod
    def mem_free() -> int:
        return 1 << 24

    @staticmethod
    def threshold(_: int) -> None:
        pass

    mem_alloc = enable = collect


sys.modules["gc"] = Collector
