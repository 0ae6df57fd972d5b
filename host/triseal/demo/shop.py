"""The Store of the demo as a service: a process of its own, which others reach over HTTPS."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from triseal import files
from triseal.errors import Failure

_MAX_LOG = 1 << 20  # bytes of what a server has printed


class NotServing(Failure):
    """The Store's server of the demo does not start."""

    code = "not-serving"
    advice = "Run `triseal store serve` by hand, and read what it prints."


class Shop:
    """A server that is starting or runs.

    Args:
        process: the process.
        log: file with what it prints to standard error.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @functools.cached_property
    def url(self) -> str:
        """Its URL, with the fingerprint of the Store's key. Waits until the server runs.

        Raises:
            NotServing: it does not start.
        """
        first = self._process.stdout.readline() if self._process.stdout else b""
        if not first:
            said = files.read(self._log, _MAX_LOG).decode(errors="replace").strip()
            raise NotServing(said[-300:] or "it has ended")
        return str(json.loads(first)["url"])


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Shop]:
    """Run the server of a Store while the block runs.

    Args:
        folder: the folder of the demo; the Store is in `store`.
    """
    home = str(folder / "store")
    command = [sys.executable, "-m", "triseal", "store", "serve", "--home", home]
    log = folder / "store.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
        )
    try:
        yield Shop(process, log)
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()
