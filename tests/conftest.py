"""What all tests share: the two counts of the common suite at the end of a run."""

import pytest

# Installed, the distribution names them itself; in a checkout that is not, this does.
pytest_plugins = ("boards.plugin", "triseal.testing")

COMMON = "tests/common/"


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
