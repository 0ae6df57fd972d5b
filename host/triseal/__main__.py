"""Starts the command `triseal`, also as `python -m triseal`.

Loading all of it takes a moment: Ctrl-C meanwhile ends it as it does later.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line; returns its exit status."""
    try:
        _open_streams()
        from triseal.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return 130


def _open_streams() -> None:
    """Open what a process was started without: else the next file that it opens becomes it."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(lowest)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


if __name__ == "__main__":
    sys.exit(main())
