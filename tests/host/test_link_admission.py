"""What a node may have is asked anew for each message: between two of them, all may change."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sealcore import messages
from tests.host.link_world import LinkWorld
from tests.host.site_world import make_request
from triseal import database, signer
from triseal.site import state
from triseal.site.link.desk import Desk
from triseal.site.link.session import Session
from triseal.site.manager import NODE_SECONDS

NODE = "kitchen"


class Moment:
    """A clock that a test moves."""

    def __init__(self, world: LinkWorld) -> None:
        self.now = world.now

    def __call__(self) -> float:
        return self.now


def ends(world: LinkWorld, clock: Moment) -> None:
    clock.now += NODE_SECONDS + 60


def is_replaced(world: LinkWorld, clock: Moment) -> None:
    request = make_request(signer.generate("p256"), NODE)
    world.manager.enrol(NODE, request, replace=True)


def is_retired(world: LinkWorld, clock: Moment) -> None:
    world.manager.retire(NODE)


Change = Callable[[LinkWorld, Moment], None]
CHANGES: tuple[tuple[str, Change, str], ...] = (
    ("the node's certificate ends", ends, "expired"),
    ("the node comes back with another key", is_replaced, "other-node-key"),
    ("the node is retired", is_retired, "node-retired"),
)


def renew(world: LinkWorld) -> bytes:
    return messages.write(messages.RENEW, [("thermo", b"")])


def fetch(world: LinkWorld) -> bytes:
    with database.reading(world.manager.engine) as connection:
        der = connection.execute(select(state.packages.c.store_seal)).scalar_one()
    return messages.write(messages.FETCH, hashlib.sha256(der).digest(), 0, 100)


def report(world: LinkWorld) -> bytes:
    return messages.write(messages.REPORT, "thermo", bytes(16), 2, "", "", [])


def enrol(world: LinkWorld) -> bytes:
    return messages.write(messages.ENROL, make_request(world.node_keys[NODE], NODE), b"")


SAID = (renew, fetch, report, enrol)


@pytest.fixture
def world(tmp_path: Path) -> LinkWorld:
    made = LinkWorld(tmp_path)
    made.deploy(NODE, "thermo")
    return made


@pytest.mark.parametrize("said", SAID, ids=[one.__name__ for one in SAID])
@pytest.mark.parametrize(("sentence", "change", "code"), CHANGES, ids=[row[0] for row in CHANGES])
def test_a_connected_node_gets_nothing_once(
    sentence: str,
    change: Change,
    code: str,
    said: Callable[[LinkWorld], bytes],
    world: LinkWorld,
) -> None:
    message = said(world)
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - its code is looked at
        asyncio.run(converse(world, message, change))
    assert getattr(refusal.value, "code", refusal.value) == code, sentence


async def converse(world: LinkWorld, message: bytes, change: Change) -> None:
    clock = Moment(world)
    desk = Desk(world.manager.engine, world.manager.authority, clock)
    working = asyncio.create_task(desk.run())
    sent: list[bytes] = []
    session = Session(desk.ask, sent.extend, at_once, ignore, NODE, world.certificate(NODE))
    try:
        hello = messages.write(messages.HELLO, messages.PROTOCOL, NODE, bytes(16), 1, [])
        await session.receive(hello)
        assert await session.receive(message), "it is answered before"
        change(world, clock)
        before = len(sent), recorded(world)
        try:
            await session.receive(message)
        finally:
            assert (len(sent), recorded(world)) == before
    finally:
        working.cancel()
        await asyncio.wait([working])


async def at_once(_: int) -> None:
    pass


def ignore(_service: str, _text: str) -> None:
    pass


def recorded(world: LinkWorld) -> list[int]:
    tables = state.seals, state.certificates
    with database.reading(world.manager.engine) as connection:
        counts = [select(func.count()).select_from(table) for table in tables]
        return [int(connection.execute(count).scalar_one()) for count in counts]
