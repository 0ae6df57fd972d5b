"""A Store's server process, for tests that kill it or put something before it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    """Start a server; several of them start faster at once than one after the other.

    Args:
        home: the Store's folder.
        words: more options.
    """
    command = [sys.executable, "-m", "triseal", "store", "serve", "--home", str(home)]
    command += ["--listen", "127.0.0.1:0", "--json", "--log-level", "error", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def url_of(process: subprocess.Popen[str]) -> str:
    """Return the URL of a server, once clients can connect.

    Args:
        process: its process.
    """
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
    assert line, f"the server ended with {process.wait(20)}"
    return str(json.loads(line)["url"])
