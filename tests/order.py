"""pytest plugin: where several workers run the tests, files that wait are mixed with those that
compute.

Most tests of a node wait for its clock, its watchdog or its link. If all of them came first, no
worker would have anything to compute; if they came last, all would wait for one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

_WAIT = Path(__file__).resolve().parent / "device"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Change the order of files, in all workers alike, but of no tests in a file."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    wait = [path for path in files if path.is_relative_to(_WAIT)]
    others = [path for path in files if not path.is_relative_to(_WAIT)]
    items[:] = [item for path in mixed(wait, others) for item in files[path]]


def mixed(some: Sequence[T], others: Sequence[T]) -> Iterable[T]:
    """Yield one of each in turn, and then what is left.

    Args:
        some: these come first in each turn. None of them is None.
        others: these come second.
    """
    for pair in zip_longest(some, others):
        yield from (one for one in pair if one is not None)
