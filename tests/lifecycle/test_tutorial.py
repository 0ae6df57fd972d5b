"""The tutorial, all of it in one shell: three nodes, a bad rollout, a stolen key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lifecycle import walk

_SERVE = "--listen 127.0.0.1:7443 --pages 7480"
_SERVER = "--server 127.0.0.1:7443"
_READ = 'python3 -c \'import json; print(json.load(open("server.json"))["port"])\''


def commands() -> str:
    """The tutorial's commands, with ports that the kernel chooses."""
    text = walk.script("host/TUTORIAL.md")
    for fixed, chosen in (
        (_SERVE, "--listen 127.0.0.1:0 --pages 0"),
        (_SERVER, f"--server 127.0.0.1:$({_READ})"),
    ):
        assert text.count(fixed) == 1
        text = text.replace(fixed, chosen)
    return text


@pytest.mark.long
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    examples = str(walk.ROOT / "host" / "examples" / "services")
    printed = walk.run(commands(), tmp_path, 900, EXAMPLES=examples)
    assert "not-confirmed: thermo on kitchen: failed: ZeroDivisionError" in printed, printed
    assert "the rollout stopped" in printed
    rolled_back = printed.index("the rollout stopped")
    assert re.search(r"^.*untrusted-signer", printed[rolled_back:], re.MULTILINE), printed
