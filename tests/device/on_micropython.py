"""Runs the device's modules on a MicroPython of this computer, where no board is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boards import micropython

ON_BOARD = Path(__file__).resolve().parent / "on_board"
_ROOT = ON_BOARD.parent.parent.parent


def run(program: str, code: str = "", *, arguments: Sequence[object] = (), heap: str = "2M") -> str:
    """Run a program of `on_board`, then more code among its names. Neither may fail.

    Args:
        program: the file's name without `.py`.
        code: runs after the program, as if it stood at its end.
        arguments: `sys.argv[1:]` of both.
        heap: the size of the heap.

    Returns:
        What both print.
    """
    done = micropython.run(
        ["-X", f"heapsize={heap}", "-c", f"execfile({str(ON_BOARD / program)!r} + '.py')\n{code}"]
        + [str(one) for one in arguments],
        environment={"MICROPYPATH": f"{ON_BOARD}:{_ROOT}/common:{_ROOT}/device:.frozen"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
