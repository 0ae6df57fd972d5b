"""The start of the command `triseal`, also as `python -m triseal`.

Loading everything takes a moment, in which Ctrl-C ends the program just as it does later.
"""

from __future__ import annotations

import gc
import os
import sys

# A command ends soon: looking for garbage costs more time than it frees memory. `site serve` sets
# Python's default again.
_GARBAGE = 50_000


def main() -> int:
    """Run the command line. Returns the exit status."""
    try:
        _open_streams()
        gc.set_threshold(_GARBAGE)
        from triseal.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return 130
    finally:
        _give_up_output()


def _open_streams() -> None:
    """Open missing standard streams; otherwise the next opened file would take their place."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(lowest)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _give_up_output() -> None:
    """Drop output that can't be written, which was told: at its end, Python would try it again."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.close(nothing)


if __name__ == "__main__":
    sys.exit(main())
