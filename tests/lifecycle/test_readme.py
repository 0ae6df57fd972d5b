"""The README's walk from a developer's key to a running service, as a reader would paste it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lifecycle import walk


def test_every_command_of_the_readme_does_what_it_says(tmp_path: Path) -> None:
    printed = walk.run(walk.script("README.md"), tmp_path, 300)
    assert re.search(r"^thermo\s+running", printed, re.MULTILINE), printed


def test_the_service_of_the_readme_is_the_example() -> None:
    """The README contains it so that its walk needs no file."""
    (source,) = re.findall(r"<<'END'\n(.*?)^END$", walk.script("README.md"), re.M | re.S)
    example = (walk.ROOT / "host/examples/services/thermo.py").read_text(encoding="utf-8")
    code = re.sub(r'^ *""".*?"""\n\n?', "", example, flags=re.MULTILINE | re.DOTALL)
    assert source.split("\n") == code.split("\n")


def test_a_command_that_fails_ends_the_walk(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="before") as failed:
        walk.run("echo before; false; echo after", tmp_path, 60)
    assert "after" not in str(failed.value)
