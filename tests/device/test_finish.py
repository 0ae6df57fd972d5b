"""What is done with a service that was stopped in order to do it: once nothing of it runs."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

# (what was stopped for what, and what is done then)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("to remove it", "have('a', 'remove', True)\nfinish()", "drop a report a 0 check []"),
    ("to replace it", "have('a', 'replace', True)\nfinish()",
     "swap a /triseal/checked check [('a', '')]"),
    ("and then it is the new one that the node holds",
     "have('a', 'replace', True)\nfinish()\nprint(Node.services['a'].serial)",
     "swap a /triseal/checked check [('a', '')] b'new'"),
    ("where the flash has no room it is tried again",
     "have('a', 'replace', True)\nrecovery.swap = full\ntry:\n    finish()\n"
     "except OSError:\n    print(Node.services['a'].serial)\nfinish()",
     "b'ssssssssssssssss' swap a /triseal/checked check [('a', '')]"),
    ("to start it anew", "have('a', 'start', True)\nfinish()", "check [('a', '')]"),
    ("for nothing", "have('a', '', True)\nfinish()", "check [('a', '')]"),
    ("what has not ended waits, and no other one for it",
     "have('a', 'remove', False)\nhave('b', 'remove', True)\nhave('c', 'replace', False)\nfinish()",
     "drop b report b 0 check [('a', 'remove'), ('c', 'replace')]"),
    ("it is done once", "have('a', 'replace', True)\nfinish()\nfinish()",
     "swap a /triseal/checked check [('a', '')] check [('a', '')]"),
    ("also where nobody hears of it", "Node.link = None\nhave('a', 'remove', True)\nfinish()",
     "drop a check []"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "done"), ROWS, ids=[row[0] for row in ROWS])
def test_a_service_was_stopped(sentence: str, code: str, done: str) -> None:
    assert on_micropython.run("finish", code).split() == done.split(), sentence
