"""The bus between the services of a node: what may be said, who hears it, and how much is kept."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

# (what is done, what shows)
ROWS: tuple[tuple[str, str, str], ...] = (
    (
        "plain values of every type are carried",
        "s = b.subscribe('a', x)\n"
        "for value in (None, 1, 1.5, True, 't', b'o'):\n    b.publish('a', value)\nheard(s)",
        "a=None a=1 a=1.5 a=True a='t' a=b'o'",
    ),
    (
        "what can be changed, or brings code, is not",
        "class Text(str):\n    pass\n"
        "for value in ([], {}, (1,), Text('x'), bytearray(1), object()):\n"
        "    said(lambda: b.publish('a', value))",
        " ".join(["TypeError"] * 6),
    ),
    (
        "text and bytes have a bound",
        "for value in ('x' * 1024, 'x' * 1025, '\\xe9' * 512, '\\xe9' * 513,\n"
        "    bytes(1024), bytes(1025)):\n"
        "    said(lambda: b.publish('a', value))",
        "done TooLarge done TooLarge done TooLarge",
    ),
    (
        "and so have integers",
        "for value in ((1 << 63) - 1, 1 - (1 << 63), 1 << 63, -1 << 63, 1 << 4000000):\n"
        "    said(lambda: b.publish('a', value))",
        "done done TooLarge TooLarge TooLarge",
    ),
    (
        "and topics and filters",
        "for topic in ('a' * 128, 'a' * 129, '\\xe9' * 64, '\\xe9' * 65):\n"
        "    said(lambda: b.publish(topic, 1))\n"
        "    said(lambda: b.subscribe(topic[:-14], x))",
        "done done TooLarge BadGrant done done TooLarge done",
    ),
    (
        "a topic is no filter, and a filter is well formed",
        "for topic in ('a/#', '', 'a/+'):\n    said(lambda: b.publish(topic, 1))\n"
        "for pattern in ('#', 'a/+', '#/a', ''):\n    said(lambda: b.subscribe(pattern, x))",
        "BadGrant BadGrant BadGrant done done BadGrant BadGrant",
    ),
    (
        "it is heard where a filter covers it",
        "s = b.subscribe('a/+', x)\nt = b.subscribe('b', y)\n"
        "for topic in ('a/1', 'b', 'a/1/2'):\n    b.publish(topic, 1)\nheard(s, t)",
        "a/1=1 b=1",
    ),
    (
        "who lags loses the oldest, and can see how many",
        "s = b.subscribe('a', x)\nfor n in range(10):\n    b.publish('a', n)\n"
        "heard(s)\nprint('dropped', s.dropped)",
        "a=2 a=3 a=4 a=5 a=6 a=7 a=8 a=9 dropped 2",
    ),
    (
        "what was heard is not heard again",
        "s = b.subscribe('a', x)\nb.publish('a', 1)\nheard(s)\nb.publish('a', 2)\nheard(s)",
        "a=1 a=2",
    ),
    (
        "a service has eight subscriptions, whatever another one has",
        "for _ in range(8):\n    b.subscribe('a', x)\n"
        "said(lambda: b.subscribe('a', x))\nsaid(lambda: b.subscribe('a', y))",
        "TooLarge done",
    ),
    (
        "who was stopped hears nothing, and may come again once it has ended",
        "s = b.subscribe('a', x)\nt = b.subscribe('a', y)\nx.stop('stopped')\n"
        "b.publish('a', 1)\nheard(s)\nheard(t)\nprint(len(b._feeds), x.ended(), len(b._feeds))\n"
        "for _ in range(8):\n    b.subscribe('a', x)\nprint('again')",
        "a=1 2 True 1 again",
    ),
    (
        "what is written into a subscription widens none",
        "s = b.subscribe('a', x)\nt = b.subscribe('a', y)\ns.pattern = s._pattern = '#'\n"
        "s.service = s.owner = y\nb.publish('b', 1)\nx.stop('stopped')\nb.publish('a', 1)\n"
        "heard(s)\nheard(t)",
        "a=1",
    ),
    (
        "who waits is woken",
        "s = b.subscribe('a', x)\n"
        "async def late():\n    await asyncio.sleep_ms(1)\n    b.publish('a', 1)\n"
        "async def early():\n    asyncio.create_task(late())\n    async for one in s:\n"
        "        return print(*one)\n"
        "asyncio.run(early())",
        "a 1",
    ),
)


@pytest.mark.parametrize(("sentence", "code", "shown"), ROWS, ids=[row[0] for row in ROWS])
def test_the_bus(sentence: str, code: str, shown: str) -> None:
    assert on_micropython.run("bus", code).split() == shown.split(), sentence
