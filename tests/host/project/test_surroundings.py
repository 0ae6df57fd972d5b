"""What a person has set in the shell changes nothing of what the tests say."""

import os
import subprocess
import sys
from pathlib import Path

from tests.full import Sweep

ROOT = Path(__file__).resolve().parents[3]
SET = {
    "TRISEAL_HOME": "/nonexistent/state",
    "TRISEAL_DEBUG": "1",
    "TRISEAL_PASSPHRASE": "another",
    "XDG_STATE_HOME": "/nonexistent",
    "HOME": "/nonexistent",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "FORCE_COLOR": "1",
    "COLUMNS": "40",
    "TZ": "America/St_Johns",
    "LC_ALL": "C",
}
# One that is refused, one that draws, one that asks a server on this computer, one with a board.
TESTS = (
    "tests/host/cli/test_frame.py::test_for_programs_a_failure_is_one_line_of_json",
    "tests/host/cli/test_frame.py::test_as_a_process_of_its_own",
    "tests/host/cli/test_site.py::test_a_change_says_what_it_guarantees",
    "tests/host/site/server/test_process.py::test_a_nodes_log_is_followed_by_the_owner_only",
    "tests/host/boards/test_stage.py::test_wrong_source_is_one_line",
    "tests/host/boards/test_virtual.py::test_two_boards_never_share_a_directory",
)


def test_what_is_set_in_the_shell_is_not_what_is_tested(sweep: Sweep[str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *sweep(TESTS, 3)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **SET}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
