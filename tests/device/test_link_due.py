"""When a node says what on its link, whatever carries it: seen without a network, and without
waiting: ticks pass when a row says so."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

FULL = "l._out = [b''] * %d\n"


# (what happens on a link l, what is said)
ROWS: tuple[tuple[str, str, str], ...] = (
    ("what is due is asked for, once", "have('a', NOW)\nhave('b', NOW + 9)\ntick()\ntick(1)",
     "renew a:16"),
    ("to the second", "have('a', NOW + 9)\ntick(8)\nprint('-')\ntick(1)", "- renew a:16"),
    ("what ends first comes first", "have('a', NOW, 900)\nhave('b', NOW, 100)\ntick()",
     "renew b:16 a:16"),
    ("with it goes what may be due by now, and what may not does not",
     "have('a', NOW + 3760)\nhave('b', NOW + 4990)\nhave('c', NOW + 8000, 9000)\n"
     "have('d', NOW + 4900, 4999)\ntick(3759)\nprint('-')\ntick(1)\ntick(1)",
     "- renew d:16 a:16 b:16"),
    ("what came together is renewed together, at one drawn moment",
     "a, b, c, d = have('a'), have('b'), have('c', end=5001), have('d')\nd.not_before += 1\n"
     "tick(1)\nprint(a.due == b.due, c.due != NOW + 5000 != d.due)\n"
     "c.due = d.due = NOW + 4999\ntick(a.due - NOW - 2)\nprint('-')\ntick(1)",
     "True True - renew a:16 b:16 d:16 c:16"),
    ("a moment that is drawn leaves time to check what else there is",
     "for n in range(40):\n    have('s%02d' % n, end=5000 + n)\ntick()\n"
     "print(all([one.not_after - one.due >= 79 for one in Node.services.values()]))", "True"),
    ("what was refused goes with nothing, and takes nothing along",
     "have('a', NOW + 3760)\nhave('b', NOW + 3900)\nl.answered('b', NOW + 3770)\ntick(3760)\n"
     "print('-')\nhave('c', NOW + 3900)\ntick(9)\ntick(1)\nl.answered('a', NOW + 9999)\n"
     "l.answered('b', NOW + 9999)\nprint('-')\ntick(20)\nprint('-')\ntick(110)",
     "renew a:16 - renew b:16 - - renew c:16"),
    ("what is being fetched goes with no other",
     "class Download:\n    def finish(self):\n        pass\n    def names(self):\n"
     "        return ['b']\nl.download = Download()\nhave('a', NOW + 3760)\nhave('b', NOW + 3900)\n"
     "tick(3760)\nl.answered('a', NOW + 9999)\ntick(140)", "renew a:16 renew b:16"),
    ("nor what the node refused",
     "Node.link, a = l, have('a', NOW + 3800)\nb = have('b', NOW + 4000)\ntick(3780)\n"
     "installer.refuse(Node, b, errors.Rollback(), b'', '')\ntick(20)",
     "report b refused 0 triseal: b refused: rollback renew a:16"),
    ("nor what was asked for already",
     "have('a', NOW + 3760)\nhave('b', NOW + 4990)\ntick(3755)\n"
     "l.ask(['b'])\ntick(5)", "renew b:16 renew a:16"),
    ("renewals that have come are taken one in each turn, in their order",
     "come(*'abc')\nwhile l.renewed:\n    print('-')\n    l.work()",
     "- take a - take b - take c"),
    ("who has sent them is not silent meanwhile",
     "for name in 'abc':\n    have(name, NOW)\ntick()\nTicks.now += 29000\n"
     "come('a')\nl.work()\ntick(30)\nprint('-')\ntick(1)",
     "renew a:16 b:16 c:16 take a - triseal: link: no-answer: the site does not answer drop"),
    ("nor who sends whole seals, one after the other: the node checks each before the next",
     "for name in 'abc':\n    have(name, NOW)\ntick()\nTicks.now += 29000\n"
     "l.answered('a', NOW + 9999)\ntick(29)\nl.answered('b', NOW + 9999)\ntick(30)\nprint('-')\n"
     "tick(1)",
     "renew a:16 b:16 c:16 - triseal: link: no-answer: the site does not answer drop"),
    ("but who sends a file is, if it does not answer the rest",
     "have('a', NOW)\ntick()\nl.expect()\nTicks.now += 29000\nl.answered()\ntick(1)\nprint('-')\n"
     "tick(1)", "renew a:16 - triseal: link: no-answer: the site does not answer drop"),
    ("one that can't be checked for want of memory ends it",
     "come('short', 'a')\nl.work()\nprint(l.renewed)",
     "take short triseal: link: MemoryError: short drop []"),
    ("what has come goes with its connection",
     "come('a', 'b')\nl.work()\nl._begin()\nprint(l.renewed)", "take a []"),
    ("before WELCOME nothing is", "l.greeted = False\nl.report(have('a', NOW))\ntick(100)", ""),
    ("without a time nothing is", "Node.clock = clock.Clock(NOW)\nhave('a', NOW)\ntick()", ""),
    ("what has no seal yet is not due", "have('a', NOW, -NOW)\ntick()", ""),
    ("when, is drawn within the last quarter of its life",
     "a = have('a')\ntick(3748)\nprint(NOW + 3750 <= a.due < NOW + 5000)\ntick(1252)",
     "True renew a:16"),
    ("what the node lost is asked for without a serial", "l.ask(['x'])", "renew x:0"),
    ("as many as a message holds, then the rest",
     "for n in range(65):\n    have('s%02d' % n, NOW, 100 + n, b'')\ntick()\nprint('-')\ntick()",
     "renew " + " ".join(f"s{n:02}:0" for n in range(64)) + " - renew s64:0"),
    ("nothing is asked for in vain", "l.ask([])", ""),
    ("who is silent for half a minute is left",
     "have('a', NOW)\ntick()\ntick(30)\nprint('-')\ntick(1)",
     "renew a:16 - triseal: link: no-answer: the site does not answer drop"),
    ("an answer in time counts",
     "have('a', NOW)\ntick()\nl.answered('a', NOW + 99)\ntick(31)\nprint('-')\ntick(68)",
     "renew a:16 - renew a:16"),
    ("so does that to a FETCH", "l.expect()\ntick(9)\nl.answered()\ntick(99)", ""),
    ("a FETCH without one ends it", "l.expect()\ntick(31)",
     "triseal: link: no-answer: the site does not answer drop"),
    ("what the node refused is asked for again in ten minutes",
     "Node.link, a = l, have('a', NOW)\ninstaller.refuse(Node, a, errors.Rollback(), b'', '')\n"
     "tick(599)\nprint('-')\ntick(1)",
     "report a refused 0 triseal: a refused: rollback - renew a:16"),
    ("the sooner the less time its seal has left",
     "Node.link, a = l, have('a', NOW, 100)\nfor seconds in (50, 25, 12, 10, 10, 600):\n"
     "    installer.refuse(Node, a, errors.Rollback(), b'', '')\n    tick(seconds - 1)\n"
     "    print('-')\n    tick(1)\n    l.answered('a', a.due)",
     "report a refused 0 triseal: a refused: rollback - renew a:16 " * 6),
    ("what expires while the site is there is a reason to ask for the time",
     "a = have('a', NOW + 99)\na.set('expired')\ntick(9)\nprint('-')\ntick(1)\ntick()",
     "- time 16 10"),
    ("without an answer the site is left",
     "a = have('a', NOW + 99)\na.set('expired')\ntick(10)\ntick(31)",
     "time 16 10 triseal: link: no-answer: the site does not answer drop"),
    ("with one it is asked again, less and less often",
     "a = have('a', NOW + 9999)\na.set('expired')\nfor n in range(3000):\n    tick(1)\n"
     "    l.answered('=')", "time 16 10 time 16 30 time 16 70 time 16 150 time 16 310 time 16 630"
     " time 16 1270 time 16 1910 time 16 2550"),
    ("after a while without doubt at once again",
     "for n in (10, 19, 1, 81, 10):\n    Ticks.now += 1000 * n\n    l.doubt_time()\n"
     "    l.answered('=')",
     "time 16 10 time 16 30 time 16 111 time 16 121"),
    ("not where there is no link", "l.greeted = False\nTicks.now += 99999\nl.doubt_time()", ""),
    ("a report is sent at once", "l.report(have('a'))\ntick()", "report a running 0"),
    ("where there is no room it waits",
     FULL % 16 + "l.report(have('a'))\ntick()\nprint('-')\nl._out = []\ntick()\ntick()",
     "- report a running 0"),
    ("it tells the newest", FULL % 16 + "a = have('a')\nl.report(a)\na.set('failed')\nl._out = []\n"
     "tick()", "report a failed 0"),
    ("evidence is sent all the same", FULL % 16 + "l.report(have('a'), [b'1', b'2'])",
     "report a running 2"),
    ("what was to be told is not told to the next connection",
     FULL % 16 + "l.report(have('a'))\nl.drop()\nl.greeted = True\nl._out = []\ntick()", "drop"),
    ("after the end nothing is said", "have('a', NOW)\nl.drop()\ntick()", "drop"),
    ("a service that can't be checked for want of memory ends it, and the download keeps its files",
     "class Download:\n    def finish(self):\n        raise MemoryError('short')\n"
     "    def close(self):\n        print('closed')\n"
     "l.download = Download()\ntick()\nprint(l.download)",
     "triseal: link: MemoryError: short drop closed None"),
    ("a log line is cut", "l.log('a', 'x' * 200)", "log a 128"),
    ("and left out where there is little room", FULL % 7 + "l.log('a', 'x')\n" + FULL % 8 +
     "l.log('a', 'y')", "log a 1"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "said"), ROWS, ids=[row[0] for row in ROWS])
def test_what_is_said(sentence: str, code: str, said: str) -> None:
    assert on_micropython.run("link", code).split() == said.split(), sentence
