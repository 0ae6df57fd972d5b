"""Find the MicroPython that runs on this computer, and mpy-cross."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from boards.errors import NoMicroPython


def find() -> str:
    """Find the MicroPython to run here.

    `MICROPYTHON` decides if it is set; then the command that the wheel installed beside this
    interpreter; then `micropython` on PATH.

    Returns:
        The path of an executable file.

    Raises:
        NoMicroPython: there is none, or `MICROPYTHON` names none.
    """
    named = os.environ.get("MICROPYTHON")
    if named:
        found = shutil.which(named)
        if found is None:
            raise NoMicroPython(f"MICROPYTHON={named} is no executable file")
        return str(Path(found).absolute())
    beside = Path(sys.executable).parent / "micropython"
    if os.access(beside, os.X_OK):
        return str(beside)
    on_path = shutil.which("micropython")
    if on_path is None:
        raise NoMicroPython(
            "MICROPYTHON is not set, and no micropython is beside this Python or on PATH"
        )
    return on_path


def run(
    arguments: Sequence[str],
    *,
    timeout: float = 60.0,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run MicroPython to its end and collect its output.

    Its standard input is empty: an interpreter that reached its prompt would otherwise read the
    caller's.

    Args:
        arguments: the command line after the program's name.
        timeout: seconds until it is killed.
        environment: variables added to the caller's.
        folder: where it runs; None for where this process runs.

    Returns:
        The finished process with `stdout` and `stderr` as text.

    Raises:
        NoMicroPython: there is none.
        subprocess.TimeoutExpired: it took longer.
    """
    return subprocess.run(
        [find(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        check=False,
    )
