"""The program openssl, a reader of keys and certificates that is not ours."""

import subprocess
from pathlib import Path

import pytest

from tests import needs


def accepts(*arguments: str | Path) -> str:
    """Run it, and skip the test where there is none.

    Returns:
        What it prints.
    """
    try:
        done = subprocess.run(
            ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip(needs.openssl())
    assert done.returncode == 0, done.stderr
    return done.stdout
