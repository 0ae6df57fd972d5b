"""Runs the device's modules on a MicroPython of this computer, where no board is needed."""

from __future__ import annotations

from pathlib import Path

from boards import micropython

_ROOT = Path(__file__).resolve().parent.parent.parent


def run(code: str) -> str:
    """What code prints that may import `nlsm` and `sealcore`; it must not fail."""
    path = f"{_ROOT}/common:{_ROOT}/device:.frozen"
    done = micropython.run(["-c", code], environment={"MICROPYPATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
