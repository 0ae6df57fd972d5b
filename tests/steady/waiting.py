"""pytest plugin: sees which tests wait for processes or sockets, and reports every outcome.

What a test waits for is seen while it runs, by Python's audit events. A list or a marker would be
forgotten for the next test; a rule over fixtures would not see what a test starts itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

_EVENTS = frozenset(
    ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "socket.bind", "socket.connect")
)
_LAST_RESORT = 30.0  # seconds that a run without its parent has to end in order


class Watcher:
    """Where the tests run: notices those that start or reach something, or whose fixtures do."""

    def __init__(self) -> None:
        self._seen = False
        self._fixtures: set[int] = set()
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, _: object) -> None:
        self._seen = self._seen or event in _EVENTS

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """A fixture that is shared waits for all of its tests, not for the first one only."""
        before, self._seen = self._seen, False
        try:
            return (yield)
        finally:
            if self._seen:
                self._fixtures.add(id(fixturedef))
            self._seen = self._seen or before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, Any, Any]:
        """Each test begins anew."""
        self._seen = False
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put what was seen into the report, which goes to the process that counts."""
        report = yield
        definitions = {}
        if isinstance(item, pytest.Function):  # an item of another kind has no fixtures
            definitions = item._fixtureinfo.name2fixturedefs
        used = (known[-1] for known in definitions.values())
        waits = self._seen or any(id(definition) in self._fixtures for definition in used)
        report.__dict__["waits"] = waits
        return report


class Reporter:
    """In the process that counts: a line of JSON for each start and each outcome."""

    def __init__(self, descriptor: int) -> None:
        self._alone = False
        self._socket = socket.socket(fileno=descriptor)
        threading.Thread(target=self._end_with_parent, daemon=True).start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """It has begun: should it never end, somebody knows its name."""
        self._send(test=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One of its three parts has ended."""
        self._send(
            test=report.nodeid,
            when=report.when,
            failed=report.failed,
            waits=getattr(report, "waits", False),
            reason=_reason(report) if report.failed else "",
        )

    def _send(self, **facts: object) -> None:
        with contextlib.suppress(OSError):  # the parent is gone, and this process ends as well
            self._socket.sendall(json.dumps(facts).encode() + b"\n")

    def _end_with_parent(self) -> None:
        # Nothing is ever sent this way: the end of the other side is what is waited for.
        self._socket.recv(1)
        self._alone = True
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(_LAST_RESORT)
        os.killpg(0, signal.SIGKILL)

    def pytest_unconfigure(self) -> None:
        """Without its parent this process ends its group, as else the parent does."""
        if self._alone:
            os.killpg(0, signal.SIGKILL)


def _reason(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else report.longreprtext
    return (text.strip().splitlines() or [""])[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Both are set by `tests.steady` and by nobody else."""
    parser.addoption("--steady-report", type=int, help="descriptor of a socket for the outcomes")
    parser.addoption("--steady-only", type=Path, help="file with the tests to run, one in a line")


def pytest_configure(config: pytest.Config) -> None:
    """Watch where tests run; report where they are counted."""
    config.pluginmanager.register(Watcher(), "steady-watcher")
    descriptor = config.getoption("--steady-report")
    if descriptor is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(descriptor), "steady-reporter")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not to be repeated."""
    path = config.getoption("--steady-only")
    if path is None:
        return
    wanted = set(path.read_text().splitlines())
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in wanted])
    items[:] = [item for item in items if item.nodeid in wanted]
