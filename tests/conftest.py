"""What all tests share: the two counts of the common suite at the end of a run."""

import hypothesis
import pytest

# Installed, the distribution names them itself; in a checkout that is not, this does.
pytest_plugins = ("boards.plugin", "triseal.testing", "tests.host.commands")

COMMON = "tests/common/"

# One tree, one verdict: examples are drawn by the test's own source, and a machine that is busy
# fails nothing. `make fuzz` is where new ones are looked for.
hypothesis.settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")


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
