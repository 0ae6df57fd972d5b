"""What all tests share: what closes behind them, and the two counts of the common suite."""

import gc
import os
import re
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.worlds import bucket, postgres, statements

# Installed, the distribution names them itself; in a checkout that is not, this does.
pytest_plugins = (
    "boards.testing.plugin",
    "pytester",
    "tests.full",
    "tests.host.commands",
    "tests.order",
    "triseal.testing",
)

COMMON = "tests/common/"

# What is made while thousands of tests are collected stays until the end. Looking through all of it
# for garbage, again and again, would take a fifth of the time.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not in what the collection of the tests has made."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # by default it looks so often that it costs one part in 25
    gc.enable()


# What a person has set in the shell is not what is tested: a state folder, a passphrase, a proxy
# between this computer and itself, colours. And what is tested leaves nothing in a person's home.
_OF_THE_SHELL = re.compile(
    r"TRISEAL_\w+|(https?|all|no)_proxy|COLUMNS|LINES|\w*COLOR\w*", re.IGNORECASE
)
for _name in filter(_OF_THE_SHELL.fullmatch, list(os.environ)):
    del os.environ[_name]
_BUILD = Path(__file__).resolve().parent.parent / "build"
os.environ["XDG_STATE_HOME"] = str(_BUILD / "state")
os.environ["TRISEAL_CACHE"] = str(_BUILD / "cache")  # all homes of all tests have the same

# A shell lets what it runs in the background ignore Ctrl-C, and `nohup` a lost terminal. A process
# hands this on to all that it starts; the tests send these signals and see what they do.
for _number, _usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _usual)

statements.share()

_connections: list[tuple[sqlite3.Connection, str]] = []


def _note_connection(event: str, arguments: tuple[object, ...]) -> None:
    if event == "sqlite3.connect/handle":
        (connection,) = arguments
        assert isinstance(connection, sqlite3.Connection)
        _connections.append((connection, os.environ.get("PYTEST_CURRENT_TEST", "outside a test")))


sys.addaudithook(_note_connection)


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        _ = connection.total_changes
    except sqlite3.ProgrammingError:
        return False
    return True


@pytest.fixture(scope="session", autouse=True)
def _every_connection_is_closed() -> Iterator[None]:
    """Whoever opens a database closes it. Python tells from 3.13 on, at no certain moment."""
    yield
    left = [f"{place} has not closed it" for one, place in _connections if _is_open(one)]
    assert not left, "\n".join(["SQLite connections that were opened in", *left])


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The URL of a PostgreSQL server that many tests share: each makes a database of its own."""
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.running() as url:
        yield url


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bucket.Server]:
    """An S3 server that many tests share: each makes a bucket of its own."""
    if reason := bucket.missing():
        pytest.skip(reason)
    with bucket.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What a test enters here ends with the test, the last one first."""
    with ExitStack() as entered:
        yield entered


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests of the common suite passed on each interpreter."""
    cpython = micropython = 0
    for report in terminalreporter.getreports("passed"):
        if not report.nodeid.startswith(COMMON):
            continue
        count = dict(report.user_properties).get("micropython")
        if count is None:
            cpython += 1
        else:
            micropython += int(str(count))
    if cpython or micropython:
        terminalreporter.write_line(
            f"common suite: CPython {cpython} passed, MicroPython {micropython} passed"
        )
