"""Processes that share what a test is about, such as a database."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

# All that these processes need takes longer to load than what they do. So it is loaded once, by a
# process without threads and without open databases, of which each of them is a copy.
_LOADED = ["pytest", "sqlalchemy.dialects.postgresql.psycopg", "triseal.site.manager"]


def pool(processes: int) -> ProcessPoolExecutor:
    """A pool of processes; a context manager that waits for them.

    Args:
        processes: how many.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    return ProcessPoolExecutor(processes, mp_context=context)
