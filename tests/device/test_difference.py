"""An executable that comes as the difference to the one that the node has: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealcore import messages
from tests.device import on_micropython

SIZE = 20503  # of what comes; the other one has 20000 bytes
Piece = tuple[bytes, int, int]


def said(folder: Path, code: str) -> list[str]:
    """The lines that a node prints which has the old version."""
    found = on_micropython.run("copied", code, arguments=[folder / "triseal"])
    return found.splitlines()


# (what the site answers in place of the first pieces, where it says that they belong, the pieces)
HOSTILE: tuple[tuple[str, int, list[Piece]], ...] = (
    ("no pieces", 0, []),
    ("an empty one", 0, [(b"", 0, 0)]),
    ("an empty one among others", 0, [(b"x", 0, 100), (b"", 5, 0), (b"x", 0, 100)]),
    ("one from behind the end", 0, [(b"", 20000, 1)]),
    ("one that goes beyond the end", 0, [(b"", 19000, 1001)]),
    ("nothing from beyond the end", 0, [(b"x", 20001, 0)]),
    ("a right one before one from beyond the end", 0, [(b"x", 0, 100), (b"", 1 << 30, 1)]),
    ("one as long as a number can be", 0, [(b"", 0, (1 << 31) - 1)]),
    ("more than is left", 0, [(b"x" * (SIZE - 16383), 0, 16384)]),
    ("more bytes than are left", 0, [(b"x" * (SIZE + 1), 0, 0)]),
    ("more to copy than at once", 0, [(b"", 0, 10000), (b"", 0, messages.MAX_COPY - 9999)]),
    ("another place", 1, [(b"", 0, 100)]),
)


def test_pieces_that_can_not_be_had_leave_nothing_and_the_file_comes_whole(tmp_path: Path) -> None:
    found = said(tmp_path, f"rows({[row[1:] for row in HOSTILE]!r})")
    due = "DIFFER 0 bad-message [0] " * 3 + "FETCH 0"
    assert {row[0]: line for row, line in zip(HOSTILE, found, strict=True)} == {
        row[0]: due for row in HOSTILE
    }


# (what happens, the code that makes it happen, what is printed)
STORIES: tuple[tuple[str, str, str], ...] = (
    (
        "it comes in two messages",
        "print(one.connect(), one.take(0, RIGHT[0]), one.take(13003, RIGHT[1]), arrived())\n"
        "print(open(keystore.INCOMING + '/radio/app.py', 'rb').read() == NEW)",
        "DIFFER 0 DIFFER 13003 whole [20503] True",
    ),
    (
        "a part of the other file may come more than once",
        "print(one.connect(), one.take(0, [(b'', 5, 100), (b'x', 5, 100)]))",
        "DIFFER 0 DIFFER 201",
    ),
    (
        "it goes on where the connection ended",
        "print(one.connect(), one.take(0, RIGHT[0]))\none.drop()\n"
        "print(one.connect(), one.take(13003, RIGHT[1]), arrived())",
        "DIFFER 0 DIFFER 13003 DIFFER 13003 whole [20503]",
    ),
    (
        "the site has no difference: it comes in chunks",
        "print(one.connect(), one.take(0, NEW[:2048]), one.take(2048, NEW[2048:4096]))\n"
        "one.drop()\nprint(one.connect())",
        "DIFFER 0 FETCH 2048 FETCH 4096 DIFFER 4096",
    ),
    (
        "the site has no difference any more",
        "print(one.connect(), one.take(0, RIGHT[0]), one.take(13003, NEW[13003:]), arrived())",
        "DIFFER 0 DIFFER 13003 whole [20503]",
    ),
    (
        "pieces that were not asked for",
        "one.whole = 3\nprint(one.connect(), one.take(0, RIGHT[0]), arrived())",
        "FETCH 0 bad-message [0]",
    ),
    (
        "an older site hangs up: twice it is tried again, then the file comes whole",
        "for _ in range(5):\n    print(one.connect())\n    one.drop()\n"
        "one.connect()\nprint(one.take(0, NEW))\none.download.finish()\n"
        "os.remove(keystore.INCOMING + '/radio/app.py')\nprint(one.connect())",
        "DIFFER 0 DIFFER 0 DIFFER 0 FETCH 0 FETCH 0 whole DIFFER 0",
    ),
    (
        "one lost connection between two answers does no harm",
        "for offset in (0, 100, 200):\n    print(one.connect())\n    one.drop()\n"
        "    print(one.connect(), one.take(offset, [(b'x' * 100, 0, 0)]))\n    one.drop()",
        "DIFFER 0 DIFFER 0 DIFFER 100 DIFFER 100 DIFFER 100 DIFFER 200 DIFFER 200 DIFFER 200"
        " DIFFER 300",
    ),
    (
        "what was put together has another hash: nothing is left, and the file comes whole",
        "print(one.connect(), one.take(0, RIGHT[0]), one.take(13003, [(b'', 0, 7500)]))\n"
        "print(arrived(), one.connect())",
        "DIFFER 0 DIFFER 13003 hash-mismatch [] FETCH 0",
    ),
    (
        "the other file is damaged",
        "put('app.py', OLD[:12000] + b'#' + OLD[12001:])\n"
        "print(one.connect(), one.take(0, RIGHT[0]), one.take(13003, RIGHT[1]), arrived())\n"
        "print(one.connect())",
        "DIFFER 0 DIFFER 13003 hash-mismatch [] FETCH 0",
    ),
    (
        "the other file was removed before the answer came",
        "print(one.connect())\nrecovery.remove(FOLDER)\n"
        "print(one.take(0, RIGHT[0]), arrived(), one.connect())",
        "DIFFER 0 bad-message [0] FETCH 0",
    ),
    (
        "the other file can not be read: the service is refused, and nothing is left",
        "open_ = open\ndef unreadable(path, mode):\n    if mode == 'rb' and FOLDER in path:\n"
        "        raise OSError(5)\n    return open_(path, mode)\n"
        "one.connect()\ndownload.open = unreadable\none.take(0, RIGHT[0])\n"
        "print(arrived(), one.node.services[NAME].state)",
        "triseal: radio refused: too-large: flash: [Errno 5] EIO [] refused",
    ),
    (
        "there is no other version",
        "os.remove(FOLDER + '/app.py')\nprint(one.connect())",
        "FETCH 0",
    ),
)


@pytest.mark.parametrize(("sentence", "code", "due"), STORIES, ids=[row[0] for row in STORIES])
def test_what_comes_of_it(sentence: str, code: str, due: str, tmp_path: Path) -> None:
    assert " ".join(said(tmp_path, "one = fresh()\n" + code)) == due, sentence
