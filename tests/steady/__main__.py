"""Repeats the tests that wait for processes or sockets beside busy loops, and names who failed.

The first run is all tests, which shows which of them wait; the others repeat those.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections import Counter
from pathlib import Path

from tests.steady.load import busy
from tests.steady.run import Outcome, run


class Tally:
    """What all runs together have shown."""

    def __init__(self) -> None:
        self.runs = 0
        self.tests = 0
        self.waiting: list[str] = []
        self.failed: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}
        self.broken: list[str] = []

    def add(self, outcome: Outcome, log: Path) -> None:
        """Count one more run."""
        self.runs += 1
        self.tests = max(self.tests, len(outcome.tests))
        if self.runs == 1:
            # What failed at once may not have come to what it waits for.
            chosen = {test for test, waits in outcome.tests.items() if waits} | set(outcome.failed)
            self.waiting = sorted(chosen)
        self.failed.update(outcome.failed.keys())
        for test, reason in outcome.failed.items():
            self.reasons.setdefault(test, reason)
        if outcome.broken:
            self.broken.append(f"{outcome.broken}, see {log}")
        elif not outcome.failed:
            log.unlink()

    @property
    def is_steady(self) -> bool:
        """Whether nothing has failed in any run."""
        return not self.failed and not self.broken

    def facts(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "runs": self.runs,
            "tests": self.tests,
            "waiting": len(self.waiting),
            "failed": [
                {"test": test, "failed": count, "reason": self.reasons[test]}
                for test, count in self.failed.most_common()
            ],
            "broken": self.broken,
        }

    def lines(self) -> list[str]:
        """What a person reads."""
        lines = [f"broken: {text}" for text in self.broken]
        for test, count in self.failed.most_common():
            lines.append(f"failed in {count} of {self.runs}: {test}: {self.reasons[test]}")
        lines.append(
            f"steady: {self.runs} runs; {len(self.waiting)} of {self.tests} tests wait for"
            f" processes or sockets; {len(self.failed)} failed at least once"
        )
        return lines


def main() -> int:
    """Exit status: 0 if no test failed in any run, 1 if one did, 130 after Ctrl-C."""
    options = _options()
    options.logs.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    # Ended by a signal it ends what it has started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 130
    try:
        with busy(options.loops):
            _repeat(tally, options)
        status = 0 if tally.is_steady else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    print(json.dumps(tally.facts()) if options.json else "\n".join(tally.lines()))
    return status


def _repeat(tally: Tally, options: argparse.Namespace) -> None:
    chosen = options.logs.absolute() / "waiting.txt"
    arguments = [*options.pytest]
    if options.jobs:
        arguments += ["-n", str(options.jobs), "--dist", "loadfile", "--no-loadscope-reorder"]
    for number in range(1, options.runs + 1):
        log = options.logs / f"run-{number}.txt"
        outcome = run(arguments, log, options.patience)
        tally.add(outcome, log)
        print(
            f"run {number} of {options.runs}: {len(outcome.tests)} tests,"
            f" {len(outcome.failed)} failed, {outcome.seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )
        if number == 1:
            chosen.write_text("".join(f"{test}\n" for test in tally.waiting))
            arguments += ["--steady-only", str(chosen)]
        if not tally.waiting:
            break


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.steady", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="how often (20)")
    parser.add_argument("--loops", type=int, default=2, help="busy loops beside the tests (2)")
    parser.add_argument("--jobs", type=int, default=0, help="tests at once; 0: one, and no worker")
    parser.add_argument(
        "--patience", type=float, default=600.0, help="seconds without news of a hung test (600)"
    )
    parser.add_argument(
        "--logs",
        type=Path,
        default=Path("build/steady"),
        help="where the output of a run goes in which something failed (build/steady)",
    )
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
