"""A machine that has something else to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# It asks whether its parent is still there, so that it ends however that has ended.
_LOOP = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(100_000):
        pass
"""


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep `loops` cores busy for as long as it is entered."""
    command = [sys.executable, "-c", _LOOP, str(os.getpid())]
    running: list[subprocess.Popen[bytes]] = []
    try:
        # In a session of their own: Ctrl-C is for who has started them.
        running += (subprocess.Popen(command, start_new_session=True) for _ in range(loops))
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
