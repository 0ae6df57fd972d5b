"""One run of pytest, watched from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_GRACE = 30.0  # seconds for a run to end in order
_START = 300.0  # seconds until the first test: pytest has to start and to collect


@dataclass
class Outcome:
    """What became of one run.

    Attributes:
        tests: whether each test that ended waits for something.
        failed: the reason of each that failed.
        running: tests that have begun and not ended.
        broken: why the run itself is no run, or empty.
        seconds: how long it took.
    """

    tests: dict[str, bool] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    broken: str = ""
    seconds: float = 0.0

    def take(self, facts: dict[str, Any]) -> None:
        """Take note of one line of the plugin."""
        test = facts["test"]
        if "when" not in facts:
            self.running.add(test)
            return
        if facts["failed"]:
            self.failed.setdefault(test, facts["reason"])
        self.tests[test] = self.tests.get(test, False) or facts["waits"]
        if facts["when"] == "teardown":
            self.running.discard(test)


def run(arguments: Sequence[str], log: Path, patience: float) -> Outcome:
    """Run pytest once, its output into a file.

    Args:
        arguments: of pytest.
        log: the file.
        patience: seconds without any news after which the tests that run count as hung.
    """
    outcome = Outcome()
    begin = time.monotonic()
    ours, theirs = socket.socketpair()
    with ours, log.open("wb") as output:
        with theirs:
            command = [sys.executable, "-m", "pytest", "-p", "tests.steady.waiting"]
            command += ["--steady-report", str(theirs.fileno()), *arguments]
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            _follow(ours, outcome, patience)
            status = process.wait(_GRACE)
            if status not in {0, 1}:
                outcome.broken = f"pytest ended with status {status}"
        except (TimeoutError, subprocess.TimeoutExpired):
            outcome.broken = "no news for too long"
            outcome.failed.update((test, "hung") for test in outcome.running)
        finally:
            _end(process)
    outcome.seconds = time.monotonic() - begin
    return outcome


def _follow(news: socket.socket, outcome: Outcome, patience: float) -> None:
    text = b""
    news.settimeout(max(patience, _START))
    while piece := news.recv(65536):
        *lines, text = (text + piece).split(b"\n")
        for line in lines:
            outcome.take(json.loads(line))
        news.settimeout(patience if outcome.running else max(patience, _START))


def _end(process: subprocess.Popen[bytes]) -> None:
    # In order first, so that fixtures end the boards and servers that they have started.
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
