"""`make test` says what it leaves out, `make test-full` runs it; a test that hangs fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import full, needs
from tests.worlds import postgres

ROOT = Path(__file__).resolve().parents[3]
SOME = """
import pytest


def test_short():
    pass


@pytest.mark.long
def test_long():
    pass


def test_sweeps(sweep):
    points = sweep(range(101), 5)
    print("points", len(points), points[0], points[-1])
"""
HANGS = """
import threading


def test_hangs():
    threading.Event().wait()


def test_goes_on():
    pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with tests of its own, and the plugin."""
    pytester.makeconftest('pytest_plugins = ("tests.full",)')
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = ['-p', 'no:cacheprovider']")
    pytester.makepyfile(test_some=SOME)
    return pytester


def run(suite: pytest.Pytester, *words: str) -> list[str]:
    return suite.runpytest_inprocess("-s", "-p", "no:schemathesis", *words).outlines


def counts(lines: list[str]) -> str:
    return re.sub(r"=+ | in [0-9.]+s.*", "", lines[-1])


def left_out(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("left out: ")]


@pytest.mark.parametrize("jobs", [0, 1])
def test_what_is_left_out_is_counted(suite: pytest.Pytester, jobs: int) -> None:
    lines = run(suite, *(["-n", str(jobs)] if jobs else []))
    assert left_out(lines) == [
        "left out: 1 long tests, and most points of 1 sweeps; `make test-full` (or --full) runs all"
    ]
    assert "2 passed" in counts(lines)
    if not jobs:
        assert any(line.endswith("points 5 0 100") for line in lines)


def test_in_full_nothing_is_left_out(suite: pytest.Pytester) -> None:
    lines = run(suite, "--full")
    assert (left_out(lines), counts(lines)) == ([], "3 passed")
    assert any(line.endswith("points 101 0 100") for line in lines)


def test_a_long_test_runs_where_it_is_named(suite: pytest.Pytester) -> None:
    assert counts(run(suite, "test_some.py::test_long")) == "1 passed"
    assert counts(run(suite, "test_some.py")) == "2 passed, 1 deselected"


def test_a_test_that_hangs_fails_and_shows_where(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(full, "LIMIT_S", 0.3)
    suite.makepyfile(test_some=HANGS)
    lines = run(suite)
    assert "1 failed, 1 passed" in counts(lines)
    assert any("test_some.py::test_hangs did not end within 0.3 s" in line for line in lines)
    assert re.search(r'test_some\.py", line [0-9]+ in test_hangs', capfd.readouterr().err)


def test_a_test_that_never_comes_back_to_python_ends_its_process(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    suite.makeconftest(
        "from tests import full\n"
        'pytest_plugins = ("tests.full",)\n'
        "full.LIMIT_S, full._GRACE_S = 0.2, 0.2\n"
    )
    stuck = "import signal\n\n\ndef test_stuck():\n    signal.pthread_sigmask(0, {14})\n"
    suite.makepyfile(test_some=stuck + "    signal.sigwait({10})\n")
    done = suite.runpytest_subprocess("-p", "no:schemathesis", timeout=240)
    assert done.ret == 1
    assert "Timeout (0:00:00.400000)!" in done.stderr.str()
    assert 'test_some.py", line 6 in test_stuck' in done.stderr.str()


def test_what_is_missing_for_all_tests_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "_PROGRAMS", tmp_path)
    monkeypatch.setattr(needs, "SBIN", str(tmp_path))
    assert needs.main() == 1
    lines = capsys.readouterr().err.splitlines()
    found = [package for line in lines for package in re.findall(r"apt install (\S+)$", line)]
    assert len(found) == len(needs.NEEDS)
    assert found == sorted(found)
    assert {"chromium", "openssl", "postgresql", "prometheus", "softhsm2"} <= set(found)


def test_with_everything_there_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(needs, "NEEDS", (lambda: "",))
    assert needs.main() == 0
    assert capsys.readouterr() == ("", "")


def test_no_test_asks_for_a_package_that_the_table_does_not_have() -> None:
    """A skip that names a package anywhere else would not be noticed before the run."""
    known = {"tests/needs.py", "tests/worlds/postgres.py", "tests/worlds/softhsm.py"}
    named = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__)
        and re.search(r"skip.*apt install|reason.*apt install", path.read_text(encoding="utf-8"))
    }
    assert named <= known | {"tests/host/project/test_fresh.py"}
