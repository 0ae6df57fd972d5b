"""`make steady` finds who waits, names who fails now and then, and leaves nothing behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests import full

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[3]
COUNTED = """
import pathlib
import subprocess

import pytest


def count(name):
    with (pathlib.Path(__file__).parent / name).open("a+") as file:
        file.write("x")
        file.seek(0)
        return len(file.read())


@pytest.fixture(scope="module")
def shared():
    with subprocess.Popen(["sleep", "600"]) as child:
        yield child
        child.kill()


def test_computes():
    count("computes")


def test_begins(shared):
    pass


def test_shares(shared):
    count("shares")


def test_fails_once():
    subprocess.run(["true"], check=True)
    assert count("fails") != 2, "the second time"
"""
OF_ANOTHER_KIND = """
import subprocess

import pytest


class Run(pytest.Item):
    def runtest(self):
        subprocess.run(["true"], check=True)


class Runs(pytest.File):
    def collect(self):
        yield Run.from_parent(self, name="run")


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".run":
        return Runs.from_parent(parent, path=file_path)
"""
HANGS = "import subprocess\n\n\ndef test_hangs():\n    subprocess.run(['sleep', '600'])\n"


# The plugins of this project are none of these tests', and take a second each time.
ALONE = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def command(folder: Path, *options: str) -> list[str]:
    """The tool for the tests in `folder`."""
    words = ["--logs", str(folder / "logs"), *options]
    pytest = ["--", "--rootdir", str(folder), "-p", "xdist.plugin", str(folder)]
    return [sys.executable, "-m", "tests.steady", *words, *pytest]


def steady(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, "--loops", "0", *options),
        cwd=ROOT,
        env=ALONE,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_test_that_fails_once_is_named_with_its_count(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(COUNTED)
    done = steady(tmp_path, "--runs", "3", "--json", "--jobs", "1")
    assert done.returncode == 1, done
    assert json.loads(done.stdout) == {
        "runs": 3,
        "tests": 4,
        "waiting": 3,
        "failed": [
            {
                "test": "test_some.py::test_fails_once",
                "failed": 1,
                "reason": "AssertionError: the second time",
            }
        ],
        "broken": [],
    }
    # What only computes has run once; what waits by a fixture of another test, each time.
    assert (tmp_path / "computes").read_text() == "x"
    assert (tmp_path / "shares").read_text() == "xxx"
    logs = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert logs == ["run-2.txt", "waiting.txt"]


def test_without_a_failure_the_status_is_0_and_one_line_says_what_was_run(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(COUNTED.replace("!= 2", "!= 0"))
    done = steady(tmp_path, "--runs", "2")
    assert done.returncode == 0, done
    assert done.stdout == (
        "steady: 2 runs; 3 of 4 tests wait for processes or sockets; 0 failed at least once\n"
    )


def test_a_test_that_is_no_function_of_python_is_repeated_as_well(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(OF_ANOTHER_KIND)
    (tmp_path / "one.run").touch()
    done = steady(tmp_path, "--runs", "2")
    assert done.returncode == 0, done
    assert done.stdout == (
        "steady: 2 runs; 1 of 1 tests wait for processes or sockets; 0 failed at least once\n"
    )


def test_a_shell_that_ignores_signals_does_not_change_what_is_tested() -> None:
    program = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
import tests.conftest
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_a_test_that_never_ends_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(HANGS)
    done = steady(tmp_path, "--runs", "1", "--patience", "1")
    assert done.returncode == 1, done
    assert "failed in 1 of 1: test_some.py::test_hangs: hung\n" in done.stdout
    assert "broken: no news for too long" in done.stdout


def test_a_run_that_is_none_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text("import what_is_not_there\n")
    done = steady(tmp_path, "--runs", "1")
    assert done.returncode == 1, done
    assert "broken: pytest ended with status 2" in done.stdout


@pytest.mark.parametrize("number", full.rows([signal.SIGKILL, signal.SIGTERM, signal.SIGINT], 0))
def test_its_loops_and_tests_end_however_it_ends(tmp_path: Path, number: int) -> None:
    (tmp_path / "test_some.py").write_text(HANGS)
    with subprocess.Popen(
        command(tmp_path, "--loops", "1"),
        cwd=ROOT,
        env=ALONE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as tool:
        try:
            # The loop, pytest, and what its test runs.
            started = _until(_below, lambda below: len(below) == 3, tool.pid)
            tool.send_signal(number)
            _until(_alive, started.isdisjoint)
        finally:
            tool.kill()


def _alive() -> dict[int, int]:
    """Each process that runs, and its parent."""
    words = _listed_by_proc() if Path("/proc/self/stat").exists() else _listed_by_ps()
    return {int(pid): int(parent) for pid, parent, state in words if state[0] != "Z"}


def _listed_by_proc() -> Iterator[tuple[str, str, str]]:
    """Yield process, parent and state: a small Linux has no `ps`."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            pid, _, rest = path.read_text().partition(" (")
            state, parent = rest.rpartition(") ")[2].split()[:2]
            yield pid, parent, state


def _listed_by_ps() -> Iterator[tuple[str, str, str]]:
    command = ["ps", "-A", "-o", "pid=,ppid=,stat="]
    for line in subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.splitlines():
        pid, parent, state = line.split()
        yield pid, parent, state


def _below(pid: int) -> set[int]:
    parents = _alive()
    found: set[int] = set()
    while more := {n for n, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def _until(look: Callable[..., T], found: Callable[[T], bool], *arguments: object) -> T:
    end = time.monotonic() + 120
    while not found(seen := look(*arguments)):
        assert time.monotonic() < end, seen
        time.sleep(0.1)
    return seen
