"""What a node does with each line on its console, and with each message of the link over it."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

LINK = "Node.runner = 1\nput(*ASK)\nput(*WELCOME)\n"
OPEN = "STATUS HELLO duty 1"
ANEW = "triseal: link: bad-signature: HELLO"

# (what comes on the line of a console c, what the node says to it)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("a question is answered", "put(*ASK)\ngo()", "STATUS HELLO"),
    ("with a nonce of its own each time", "put(*ASK)\nput(*ASK)\ngo()\n"
     "print(len(set(heard)), heard[1] == Node.question.nonce)", "STATUS HELLO STATUS HELLO 2 True"),
    ("without grants where those are too many",
     "one = Node.services['a'] = service.Service('a')\none.granted = ('x' * 500,) * 20\n"
     "put(*ASK)\ngo()", "STATUS HELLO"),
    ("what is for people is not for the node", "Line.data = b'x~\\r\\n\\n'\nput(*ASK)\ngo()",
     "STATUS HELLO"),
    ("each piece of a line is told of", "Line.data = b'~' + b'A' * 191\ngo()", "~ ~"),
    ("with the mark of what was asked last",
     "put(messages.ASK, b'abcdef' + bytes(10))\ngo()\nLine.data = b'~' + b'A' * 95\ngo()",
     "STATUS HELLO ~YWJjZGVm"),
    ("but not of what is for people", "Line.data = b'A' * 192\ngo()", ""),
    ("one line is read at a time", "put(*ASK)\nput(*ASK)\nc.turn()\nprint(len(Line.data) > 9)",
     "True"),
    ("others have their turn", "Line.data = b'x' * 1000\nc.turn()\nprint(len(Line.data))", "488"),
    ("the other end may be closed", "Line.open = 1\nprint(c.turn())", "False"),
    ("more than a message is not kept", "Line.data = b'A' * 20000\ngo()\nprint(len(c._text))",
     "10927"),
    ("nor taken for one", "Line.data = b'B' * 20000 + b'\\n'\nput(*ASK)\ngo()", "STATUS HELLO"),
    ("a line that does not fit is lost, and no other",
     "class Full(list):\n    def extend(self, byte):\n        raise MemoryError\n"
     "c._text = Full()\nLine.data = b'AB\\n'\nput(*ASK)\ngo()",
     "triseal: out-of-memory: a line is lost STATUS HELLO"),
    ("what is no message is said, and no more",
     "Line.data = b'~AAA\\n~AAAA\\n'\nput(*ASK)\ngo()",
     "triseal: bad-message: base64"
     " REJECTED bad-message base64"
     " triseal: bad-message: kind or size"
     " REJECTED bad-message kind or size STATUS HELLO"),
    ("for want of memory, flash or stack, too",
     "for one in (b'm', b'f', b's'):\n    put(messages.TIME, one)\nput(*ASK)\ngo()",
     "time 1 triseal: out-of-memory: short time 1 triseal: out-of-memory: full"
     " time 1 triseal: out-of-memory: deep STATUS HELLO"),
    ("the time is taken as it is", "put(messages.TIME, b'signed')\ngo()", "time 6"),
    ("the log is followed and no longer",
     "for wanted in (1, 0):\n    put(messages.FOLLOW, wanted)\n    go()\n"
     "    for follower in Node.followers:\n        follower('a', 'x' * 200)", "LOG 128"),
    ("a node proves its key before its services run", "put(messages.PROVE, bytes(16))\ngo()",
     "PROOF"),
    ("but has no link before", "put(*WELCOME)\ngo()",
     "triseal: bad-message: kind 1 before the services run"
     " REJECTED bad-message kind 1 before the services run"),
    ("nor where it has a network", "Node.runner = 1\nNode.settings = {'server': 1}\nput(*WELCOME)\n"
     "put(messages.PROVE, bytes(16))\ngo()",
     "triseal: bad-message: kind 1 on the console"
     " REJECTED bad-message kind 1 on the console"
     " triseal: bad-message: kind 18 on the console"
     " REJECTED bad-message kind 18 on the console"),
    ("nor where its own files are wrong", "Node.runner = 1\nNode.failure = errors.Rollback()\n"
     "put(*WELCOME)\nput(messages.PROVE, bytes(16))\ngo()",
     "triseal: bad-message: kind 1 on the console"
     " REJECTED bad-message kind 1 on the console"
     " triseal: bad-message: kind 18 on the console"
     " REJECTED bad-message kind 18 on the console"),
    ("a link begins with WELCOME, to the question that was asked",
     LINK + "put(messages.REMOVE, ['a'])\ngo()\nprint(Node.link.question is Node.question)",
     f"{OPEN} duty 3 True"),
    ("and what comes before is the end of another one",
     "Node.runner = 1\nput(messages.REMOVE, ['a'])\nput(*WELCOME)\ngo()", "duty 1"),
    ("it begins anew as often as the site likes",
     LINK + "go()\nNode.link.expect('a')\nput(*WELCOME)\ngo()\nprint(Node.link._asked)",
     f"{OPEN} duty 1 {{}}"),
    ("where it fails the node says so, and says HELLO",
     LINK + "put(messages.REMOVE, ['bad'])\nput(messages.REMOVE, ['a'])\ngo()",
     f"{OPEN} duty 3 {ANEW}"),
    ("not over and over", LINK + "put(*BAD)\nput(*BAD)\ngo()\nTicks.now += 5000\nput(*BAD)\ngo()",
     f"{OPEN} duty 1 {ANEW} duty 1 triseal: link: bad-signature: duty 1 {ANEW}"),
    ("whatever it is that fails",
     "def take(*rest):\n    raise OSError(28)\nduties.take = take\n" + LINK + "go()",
     "STATUS HELLO triseal: link: OSError: 28 HELLO"),
)  # fmt: skip


# (how many services have failed for a reason of 128 bytes, the bytes of their names, how much of
#  the reason the node tells)
MANY = ((1, 9, 128), (40, 9, 128), (45, 9, 32), (64, 9, 32), (64, 60, 0))


@pytest.mark.parametrize(("count", "size", "most"), MANY)
def test_however_many_have_failed_the_node_can_tell(count: int, size: int, most: int) -> None:
    told = on_micropython.run("many_failed", arguments=(count, size)).split()
    assert told == [str(count), str(most)]


@pytest.mark.parametrize(("sentence", "code", "said"), ROWS, ids=[row[0] for row in ROWS])
def test_what_is_said(sentence: str, code: str, said: str) -> None:
    assert on_micropython.run("console", code).split() == said.split(), sentence
