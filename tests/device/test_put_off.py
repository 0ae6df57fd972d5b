"""More new services at once than wait on a node: it asks for the others when it has room."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealcore import messages
from tests.device.by_hand import SPKI, ByHand, connected
from tests.device.conftest import Start
from tests.device.node import NAME, by_name
from tests.device.site import Deployment, Site

IDLE = b"""\
import asyncio
async def main(ctx):
    await asyncio.sleep(1000)
"""
NAMES = ("a", "b", "c", "d", "e")  # two wait, three are put off

# (what the site refuses when it is asked for it)
REFUSED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("none", ()),
    ("the first that was put off", ("c",)),
    ("both that were asked for while others came", ("c", "d")),
    ("all that were put off", ("c", "d", "e")),
)


@pytest.mark.parametrize(("sentence", "refused"), REFUSED, ids=[row[0] for row in REFUSED])
def test_each_that_was_put_off_is_asked_for_once(
    sentence: str,
    refused: tuple[str, ...],
    site: Site,
    spki: bytes,
    start: Start,
    directory: Path,
) -> None:
    made = [site.deploy(name, IDLE, NAME, spki) for name in NAMES]
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        for one in [*made, *made]:  # what is said twice counts once
            link.assign(one)
        asked = serve(link, made, refused)
        assert asked == ["c", "d", "e"], sentence
        expected = {name: "running" for name in NAMES if name not in refused}
        node.until(lambda status: by_name(status) == expected)


def serve(link: ByHand, made: list[Deployment], refused: tuple[str, ...]) -> list[str]:
    """Give the node what it fetches and asks for, until it has told that the last one runs; what
    it has asked for."""
    waiting = set(NAMES) - set(refused)
    asked: list[str] = []
    while waiting or len(asked) < len(NAMES) - 2:
        kind, values = link.read()
        if kind == messages.FETCH:
            link.give(values, *made)
        elif kind == messages.RENEW:
            for name, _ in values[1]:
                asked.append(name)
                if name in refused:
                    link.send(messages.REFUSED, name, "not-assigned")
                else:
                    link.assign(next(one for one in made if one.name == name))
        elif kind == messages.REPORT and messages.STATES[values[2]] == "running":
            waiting.discard(values[0])
    return asked
