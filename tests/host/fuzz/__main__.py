"""The command line: `python -m tests.host.fuzz --seconds 600 --seed 1`."""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from tests.host.fuzz import engine


def main() -> int:
    """Exit status: 1 if something was found."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Seals changed and signed again.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="of the plans")
    given = parser.parse_args()
    begin = time.monotonic()
    end = "\r" if sys.stdout.isatty() else ""

    def progress(result: engine.Result) -> None:
        if end:
            passed = time.monotonic() - begin
            line = f"{passed:.0f} of {given.seconds:.0f} s, {result.codes.total()} inputs"
            print(f"{line}, {len(result.finds)} finds", end=end, flush=True)

    print(f"seed {given.seed}")
    result = engine.run(given.seconds, given.seed, progress)
    print(result)
    for find in result.finds:
        print(find)
    return 1 if result.finds else 0


if __name__ == "__main__":
    sys.exit(main())
