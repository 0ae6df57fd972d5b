"""pytest plugin: `make test` leaves out what is long, `make test-full` runs all; none may hang.

A test with the mark `long` is left out unless `--full` is given, or its own name. A test that
sweeps over many points takes a few of them without `--full` (fixture `sweep`).
"""

from __future__ import annotations

import faulthandler
import functools
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from types import FrameType
from typing import Any, TypeVar

import hypothesis
import pytest
from _pytest.mark import ParameterSet

T = TypeVar("T")
Sweep = Callable[[Sequence[T], int], list[T]]
OneOf = Callable[[int], int]

LIMIT_S = 300.0  # for one test with its fixtures; none needs a tenth of it on a quiet computer
LONG_LIMIT_S = 1200.0
_GRACE_S = 60.0  # for a test that no exception ends, because it never comes back to Python

# One tree, one verdict: examples are drawn by the test's own source, and a machine that is busy
# fails nothing. `make fuzz` is where new ones are looked for.
hypothesis.settings.register_profile(
    "full",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "suite", hypothesis.settings.get_profile("full"), max_examples=40
)
hypothesis.settings.load_profile("suite")

_LEFT = pytest.StashKey[set[str]]()
_THINNED = pytest.StashKey[set[str]]()
_TOLD = {"left": _LEFT, "thinned": _THINNED}
_STDERR = pytest.StashKey[int]()
_PROFILE = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--full`."""
    parser.addoption("--full", action="store_true", help="run the long tests and sweeps as well")


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, and keep the place where stacks are printed."""
    config.stash[_PROFILE] = hypothesis.settings.get_current_profile_name()
    if config.getoption("full"):
        hypothesis.settings.load_profile("full")
    config.addinivalue_line("markers", "long: left out by `make test`; `make test-full` runs it")
    config.stash[_LEFT], config.stash[_THINNED] = set(), set()
    config.stash[_STDERR] = os.dup(2)  # later pytest captures it


def pytest_unconfigure(config: pytest.Config) -> None:
    """Undo what `pytest_configure` has done."""
    os.close(config.stash[_STDERR])
    hypothesis.settings.load_profile(config.stash[_PROFILE])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long tests, except those that somebody asks for by name."""
    if config.getoption("full"):
        return
    named = tuple(word.removeprefix("./") for word in config.args if "::" in word)
    left = [one for one in items if one.get_closest_marker("long") and not _is_named(one, named)]
    if left:
        config.stash[_LEFT].update(one.nodeid for one in left)
        config.hook.pytest_deselected(items=left)
        gone = set(left)
        items[:] = [one for one in items if one not in gone]


def _is_named(item: pytest.Item, named: tuple[str, ...]) -> bool:
    return any(word.endswith(item.nodeid) or item.nodeid.startswith(word) for word in named)


def examples(number: int) -> int:
    """Return how many examples a test of Hypothesis draws: `number` with `--full`, else a quarter.

    Args:
        number: more than the hundred of other tests, or as few as it can do with.
    """
    is_full = hypothesis.settings.get_current_profile_name() == "full"
    return number if is_full else max(number // 4, 10)


def rows(values: Iterable[object], *kept: int) -> list[ParameterSet]:
    """The rows of a parametrized test, all but a few of them long.

    Args:
        values: a row each; a tuple has the values of several parameters.
        kept: which ones are no long tests; they must reach what the others do, in a thinner way.
    """
    made = []
    for number, row in enumerate(values):
        marks = () if number in kept else (pytest.mark.long,)
        made.append(pytest.param(*(row if isinstance(row, tuple) else (row,)), marks=marks))
    return made


def step(request: pytest.FixtureRequest, number: int) -> int:
    """Return `number`, as in every seventh point; 1 with `--full`.

    Args:
        request: of the test or fixture that asks.
        number: of points that one stands for.
    """
    if request.config.getoption("full"):
        return 1
    request.config.stash[_THINNED].add(request.node.nodeid)
    return number


@pytest.fixture
def one_of(request: pytest.FixtureRequest) -> OneOf:
    """`step` for a test."""
    return functools.partial(step, request)


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> Sweep[T]:
    """A function: all points with `--full`, else so many of them, the first and the last among
    them."""

    def points(every: Sequence[T], few: int) -> list[T]:
        if request.config.getoption("full") or len(every) <= few:
            return list(every)
        request.config.stash[_THINNED].add(request.node.nodeid)
        last = len(every) - 1
        return [every[round(n * last / (few - 1))] for n in range(few)]

    return points


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End a test that hangs, and show what each thread was doing."""
    if threading.current_thread() is not threading.main_thread():
        return (yield)
    is_long = item.config.getoption("full") or item.get_closest_marker("long")
    limit = LONG_LIMIT_S if is_long else LIMIT_S

    def hangs(number: int, frame: FrameType | None) -> None:
        faulthandler.dump_traceback(file=2, all_threads=True)
        pytest.fail(f"{item.nodeid} did not end within {limit:g} s")

    handler = signal.signal(signal.SIGALRM, hangs)
    before = signal.setitimer(signal.ITIMER_REAL, limit)
    # An exception does not end what waits outside Python: then the whole process ends.
    faulthandler.dump_traceback_later(limit + _GRACE_S, exit=True, file=item.config.stash[_STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, handler)


# With xdist, tests are collected in the workers, and the summary is that of their parent.


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the parent of this worker what was left out."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        for name, key in _TOLD.items():
            found = session.config.stash[key]
            output[name] = sorted(found)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker tells at its end; one that was lost tells nothing."""
    output = getattr(node, "workeroutput", {})
    for name, key in _TOLD.items():
        node.config.stash[key].update(output.get(name, ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was left out."""
    stash = terminalreporter.config.stash
    left, thinned = len(stash[_LEFT]), len(stash[_THINNED])
    if left or thinned:
        terminalreporter.write_line(
            f"left out: {left} long tests, and most points of {thinned} sweeps; "
            "`make test-full` (or --full) runs all"
        )
