"""What a node may have is asked anew for each message: between two of them, all may change."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sealcore import messages
from tests.host.link_world import LinkWorld
from tests.host.site_world import make_request
from triseal import database, signer
from triseal.certificate import Validity
from triseal.signer import KeySigner
from triseal.site import state
from triseal.site.authority import Authority, Issuer, self_signed
from triseal.site.link.desk import Desk
from triseal.site.link.peers import Peer, by_certificate
from triseal.site.link.session import Session
from triseal.site.manager import NODE_SECONDS

NODE = "kitchen"
HELLO = messages.write(messages.HELLO, messages.PROTOCOL, NODE, bytes(16), 1, [])


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


def peer(world: LinkWorld, certificate: bytes = b"") -> Peer:
    """Whoever holds this certificate, or a fresh one of the node."""
    return by_certificate(certificate or world.certificate(NODE), world.manager.name)


async def converse(world: LinkWorld, message: bytes, change: Change) -> None:
    clock = Moment(world)
    async with at_desk(world, clock) as desk:
        sent: list[bytes] = []
        session = Session(desk.ask, sent.extend, at_once, ignore, peer(world))
        await session.receive(HELLO)
        assert await session.receive(message), "it is answered before"
        change(world, clock)
        await nothing_comes_of(session, message, world, sent)


@pytest.mark.parametrize(("sentence", "change", "code"), CHANGES, ids=[row[0] for row in CHANGES])
def test_a_silent_node_is_cut_off_once(
    sentence: str, change: Change, code: str, world: LinkWorld
) -> None:
    async def refresh() -> None:
        clock = Moment(world)
        async with at_desk(world, clock) as desk:
            session = Session(desk.ask, nowhere, at_once, ignore, peer(world))
            await session.receive(HELLO)
            await session.refresh()
            change(world, clock)
            await session.refresh()

    with pytest.raises(Exception) as refusal:  # noqa: PT011 - its code is looked at
        asyncio.run(refresh())
    assert getattr(refusal.value, "code", refusal.value) == code, sentence


# Certificates that TLS, or an older look at the trust bundle, has let in: the desk looks again.
def of_another_site(world: LinkWorld, spki: bytes, validity: Validity) -> bytes:
    mallory = KeySigner(signer.generate("p256"))
    issuer = Issuer(self_signed(mallory, world.manager.name, world.now), world.manager.name)
    return Authority(mallory, issuer).certify_node(NODE, spki, validity).der


def of_another_node(world: LinkWorld, spki: bytes, validity: Validity) -> bytes:
    return world.manager.authority.certify_node("hall", spki, validity).der


def that_has_ended(world: LinkWorld, spki: bytes, validity: Validity) -> bytes:
    ended = Validity(world.now - 1000, world.now - 1)
    return world.manager.authority.certify_node(NODE, spki, ended).der


def of_another_key(world: LinkWorld, spki: bytes, validity: Validity) -> bytes:
    other = KeySigner(signer.generate("p256")).spki
    return world.manager.authority.certify_node(NODE, other, validity).der


HELD: tuple[tuple[Callable[[LinkWorld, bytes, Validity], bytes], str], ...] = (
    (of_another_site, "bad-signature"),
    (of_another_node, "wrong-node"),
    (that_has_ended, "expired"),
    (of_another_key, "other-node-key"),
)


@pytest.mark.parametrize(("make", "code"), HELD, ids=[row[0].__name__ for row in HELD])
def test_a_certificate_is_looked_at_again_when_it_says_hello(
    make: Callable[[LinkWorld, bytes, Validity], bytes], code: str, world: LinkWorld
) -> None:
    spki = KeySigner(world.node_keys[NODE]).spki
    certificate = make(world, spki, Validity(world.now - 10, world.now + 1000))

    async def greet() -> None:
        async with at_desk(world, Moment(world)) as desk:
            sent: list[bytes] = []
            session = Session(desk.ask, sent.extend, at_once, ignore, peer(world, certificate))
            await nothing_comes_of(session, HELLO, world, sent)

    with pytest.raises(Exception) as refusal:  # noqa: PT011 - its code is looked at
        asyncio.run(greet())
    assert getattr(refusal.value, "code", refusal.value) == code


@asynccontextmanager
async def at_desk(world: LinkWorld, clock: Moment) -> AsyncIterator[Desk]:
    desk = Desk(world.manager.engine, world.manager.authority, clock)
    working = asyncio.create_task(desk.run())
    try:
        yield desk
    finally:
        working.cancel()
        await asyncio.wait([working])


async def nothing_comes_of(
    session: Session, message: bytes, world: LinkWorld, sent: list[bytes]
) -> None:
    before = len(sent), recorded(world)
    try:
        await session.receive(message)
    finally:
        assert (len(sent), recorded(world)) == before


async def at_once(_: int) -> None:
    pass


def nowhere(_: list[bytes]) -> None:
    pass


def ignore(_service: str, _text: str) -> None:
    pass


def recorded(world: LinkWorld) -> list[int]:
    tables = state.seals, state.certificates
    with database.reading(world.manager.engine) as connection:
        counts = [select(func.count()).select_from(table) for table in tables]
        return [int(connection.execute(count).scalar_one()) for count in counts]
