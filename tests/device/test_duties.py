"""What a node does about each message of its site: which check, which write, which answer."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

WELCOME = "Link.greeted = False\nhave('a')\n"
ENROLLED = "class New:\n    spki, not_before = KEY, NOW + 20\n"
ROOT = "/triseal/incoming"

# (what comes, what the node does)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("a delta", "have('a')\ntake(messages.RENEWED, 1, 2, [('a', b's', b'new')])",
     "answered a None renew a b'new'"),
    ("a delta that has expired when it comes: either clock may be wrong",
     "have('a')\ntake(messages.RENEWED, 1, 2, [('a', b's', b'old')])",
     "answered a None renew a b'old' triseal: a: renewal: expired: doubt answered a 1"),
    ("the time once more", "take(messages.TIME, b't')", "answered = None time b't' helped 0 check"),
    ("the time, but from before the floor",
     "def late(*_):\n    raise errors.Rollback\ntiming.take = late\ntake(messages.TIME, b't')",
     "answered = None say rollback check"),
    ("the time, but too late",
     "def late(*_):\n    raise errors.BadMessage\ntiming.take = late\ntake(messages.TIME, b't')",
     "answered = None say bad-message check"),
    ("a time that nobody has signed",
     "def bad(*_):\n    raise errors.BadSignature\ntiming.take = bad\ntake(messages.TIME, b't')",
     "answered = None ! bad-signature"),
    ("a delta of what is not here", "take(messages.RENEWED, 1, 2, [('a', b's', b'new')])", ""),
    ("a delta that does not fit, and one that does",
     "have('a', 'b')\ntake(messages.RENEWED, 1, 2, [('a', b's', b'bad'), ('b', b's', b'new')])\n"
     "print(Node.services['a'].serial)",
     "answered a None renew a b'bad' triseal: a: renewal: bad-signature: answered a 1"
     " answered b None renew b b'new' b''"),
    ("a refusal", "take(messages.REFUSED, 'a', 'expired')",
     "triseal: a: the site refuses: expired answered a 60"),
    ("a refusal while others wait", "Link.download = Download(Link)\n"
     "take(messages.REFUSED, 'a', 'expired')",
     "triseal: a: the site refuses: expired answered a 60 more"),
    ("renewals to ask for", "have('a')\ntake(messages.RENEWNOW, ['x', 'a'])", "ask a"),
    ("what is to be removed", "have('a')\ntake(messages.REMOVE, ['x', 'a'])\n"
     "one = Node.services['a']\nprint(one.state, one.code, one.then, one.grants)",
     "stopped removed remove ()"),
    ("who follows", "take(messages.FOLLOW, 1)\nprint(*Node.followers)\ntake(messages.FOLLOW, 0)\n"
     "print(*Node.followers)", "log"),
    ("a piece that nobody asked for", "take(messages.CHUNK, b'', 0, b'')", "! bad-message"),
    ("WELCOME again", "take(messages.WELCOME, b'', b'')", "! bad-message"),
    ("something before WELCOME", "Link.greeted = False\ntake(messages.FOLLOW, 1)", "! bad-message"),
    ("what only nodes say",
     "for kind in range(21):\n    if kind not in duties._DUTIES:\n        take(kind)\n",
     "! bad-message " * 11),
    ("a new service", "take(messages.ASSIGN, 'a', b'seal', [('1', 1, '1')])",
     "answered a None files fetch a"),
    ("a name that leads out", "take(messages.ASSIGN, '../a', b'seal', [('1', 1, '1')])",
     "answered ../a None ! profile-violation"),
    ("other files",
     "have('a')\ntake(messages.ASSIGN, 'a', b'seal', [('1', 1, '1'), ('2', 1, '3')])",
     "answered a None files fetch a"),
    ("the same files", "have('a')\ntake(messages.ASSIGN, 'a', b'seal', [('1', 1, '1')])",
     "answered a None files renew a b'seal' report a running"),
    ("the same files, and a seal that is none",
     "have('a')\ntake(messages.ASSIGN, 'a', b'bad', [('1', 1, '1')])",
     "answered a None files renew a b'bad' refuse a bad-signature"),
    ("the next certificate", ENROLLED + "take(messages.ENROLLED, New)",
     "certificate keys spiffe://home/node/kitchen 20 write /triseal/node.crt <class 'New'>"
     " changed"),
    ("one for another key", ENROLLED + "New.spki = b'other'\ntake(messages.ENROLLED, New)",
     "certificate keys spiffe://home/node/kitchen 20 make /triseal/incoming"
     " write /triseal/incoming/node.crt <class 'New'> accept drop"),
    ("no certificate: another key is wanted", "take(messages.ENROLLED, b'')",
     "key kitchen None prove kitchen/ 16 send 11 (b'request', b'proof')"),
    ("WELCOME", WELCOME + "take(messages.WELCOME, b't', b'')\nprint(Link.greeted)",
     "time b't' check facts 0 0 True"),
    ("WELCOME to a node that gave settings up",
     WELCOME + "Node.settings = {'version': 3, 'failed': 4}\ntake(messages.WELCOME, b't', b'')",
     "time b't' check facts 3 4"),
    ("settings before WELCOME", "Link.greeted = False\ntake(messages.SETTINGS, b'')",
     "! bad-message"),
    ("WELCOME over TLS", WELCOME + "Link.peer = 1\ntake(messages.WELCOME, b't', b'')",
     "time b't' peer 0 hold check facts 0 0"),
    ("WELCOME to a node whose files are wrong",
     WELCOME + "Node.failure = errors.Rollback()\ntake(messages.WELCOME, b't', b'')\n"
     "print(Link.greeted)", "! rollback False"),
    ("WELCOME, and why something does not run",
     WELCOME + "Node.services['a'].set('refused', 'expired')\ntake(messages.WELCOME, b't', b'')",
     "time b't' report a refused check facts 0 0"),
    ("a newer bundle", WELCOME + "have('b', 'c')\nNode.services['b'].set('refused', 'x')\n"
     "Node.services['c'].set('stopped')\ntake(messages.WELCOME, b't', b'new')\n"
     "print(Node.bundle, [Node.services[name].state for name in 'abc'])",
     f"time b't' remove {ROOT} make {ROOT} write {ROOT}/bundle.der b'new' accept"
     " recheck a report a running report c stopped report b installing check facts 0 0 (7, b'mark')"
     " ['running', 'installing', 'stopped']"),
    ("WELCOME in the second half of the certificate's life",
     WELCOME + "Own.renew_at = NOW\nREQUEST = b'0\\x0a' + KEY\ntake(messages.WELCOME, b't', b'')",
     "time b't' check send 11 (b'0\\npublic key', b'') facts 0 0"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "done"), ROWS, ids=[row[0] for row in ROWS])
def test_the_site_says(sentence: str, code: str, done: str) -> None:
    assert on_micropython.run("duties", code).split() == done.split(), sentence
