"""Runs the shell blocks of a document in one shell, as a reader would paste them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def script(page: str) -> str:
    """All blocks of a page that are marked `sh`, one after the other.

    Args:
        page: path of the Markdown file, relative to the root.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks, page
    return "\n".join(blocks)


def run(text: str, folder: Path, seconds: float, **variables: str) -> str:
    """Run a script until its end, and see that each of its commands does what it should.

    Args:
        text: the script.
        folder: where it runs.
        seconds: until it counts as hung.
        variables: for its environment.

    Returns: all that it prints.
    """
    environment = {**os.environ, **variables}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    output = folder / "walk.log"  # no pipe: what runs on in the background would keep it open
    with output.open("w") as file:
        shell = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail", "-c", text],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = shell.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):  # what the script has left running
                os.killpg(shell.pid, signal.SIGKILL)
    printed = output.read_text(encoding="utf-8")
    assert status is not None, f"it hangs:\n{printed}"
    assert status == 0, printed
    return printed
