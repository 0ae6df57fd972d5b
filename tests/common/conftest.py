"""Has MicroPython run each module of this folder as well, as one more test beside its functions."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from boards import micropython
from sealcore import p256, rsa

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RUNNER = HERE / "run.py"
# Modules of this project before those frozen into the interpreter.
SEARCH_PATH = f"{ROOT / 'common'}:.frozen"
# A module takes seconds; a MicroPython that hangs must not hang the run.
LIMIT_S = 600.0


@pytest.fixture(autouse=True)
def _own_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython runs what MicroPython runs: no signature goes to OpenSSL (`triseal.openssl`)."""
    for module in (rsa, p256):
        monkeypatch.setattr(module, "_native", 0)


class SuiteFailed(Exception):
    """MicroPython failed a test, or ran other tests than CPython."""


class MicroPythonRun(pytest.Item):
    """One module on MicroPython; `expected` holds the names of the tests that CPython has in it."""

    def __init__(self, **parts: object) -> None:
        super().__init__(**parts)  # type: ignore[arg-type]
        self.expected: set[str] = set()

    def runtest(self) -> None:
        """Run the module and compare the tests that passed with those of CPython."""
        arguments = [str(RUNNER), "-v", self.path.stem]
        done = micropython.run(arguments, timeout=LIMIT_S, environment={"MICROPYPATH": SEARCH_PATH})
        passed = names_passed(done.stdout, self.path.stem)
        self.user_properties.append(("micropython", len(passed)))
        if done.returncode:
            raise SuiteFailed(done.stdout + done.stderr)
        if passed != self.expected:
            only = sorted(passed ^ self.expected)
            raise SuiteFailed(f"run by one interpreter only: {', '.join(only)}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style=None):  # type: ignore[no-untyped-def]
        """What MicroPython printed says more than the traceback of this runner."""
        if isinstance(excinfo.value, SuiteFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """How reports name this test."""
        return self.path, None, f"{self.path.stem} on MicroPython"


class MicroPythonFile(pytest.File):
    """The collector of the one run."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield the run of this file."""
        yield MicroPythonRun.from_parent(self, name="micropython")


def names_passed(output: str, module: str) -> set[str]:
    """The tests that the runner's -v output names as passed."""
    start = f"ok {module}."
    return {line.removeprefix(start) for line in output.splitlines() if line.startswith(start)}


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect each test module a second time."""
    if file_path.parent == HERE and file_path.match("test_*.py"):
        return MicroPythonFile.from_parent(parent, path=file_path)
    return None


def functions(items: Iterable[pytest.Item], path: Path) -> Iterator[str]:
    """Names of the test functions that CPython runs from the module at `path`."""
    return (item.name for item in items if isinstance(item, pytest.Function) and item.path == path)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell each run what CPython found in its module, before -k or -m leave anything out."""
    ours = [item for item in items if item.path.parent == HERE]
    for item in ours:
        if isinstance(item, MicroPythonRun):
            item.expected = set(functions(ours, item.path))
