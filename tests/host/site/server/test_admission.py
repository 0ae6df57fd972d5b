"""What a node may have is asked anew for each message: between two of them, all may change."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from sealcore import messages, proof
from tests.worlds.channels import QuietChannel
from tests.worlds.link_world import LinkWorld, parsed
from tests.worlds.site_world import make_request
from triseal import database, signer
from triseal.certificate import Validity
from triseal.signer import KeySigner
from triseal.site.manager import NODE_SECONDS
from triseal.site.records import tables
from triseal.site.server.sessions.peers import Peer, by_certificate, by_proof
from triseal.site.server.sessions.session import Session
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.slca.authority import Authority, Issuer, self_signed

NODE = "kitchen"
HELLO = messages.write(messages.HELLO, messages.PROTOCOL, NODE, bytes(16), 1, bytes(16), 0, "", [])


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
    return messages.write(messages.RENEW, 0, [("thermo", b"")])


def fetch(world: LinkWorld) -> bytes:
    with database.reading(world.manager.engine) as connection:
        der = connection.execute(select(tables.packages.c.store_seal)).scalar_one()
    return messages.write(messages.FETCH, hashlib.sha256(der).digest(), 0, 100)


def report(world: LinkWorld) -> bytes:
    return messages.write(messages.REPORT, "thermo", bytes(16), 2, "", "", 0, [])


def enrol(world: LinkWorld) -> bytes:
    return messages.write(messages.ENROL, make_request(world.node_keys[NODE], NODE), b"")


SAID = (renew, fetch, report, enrol)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path) as made:
        made.deploy(NODE, "thermo")
        yield made


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


@pytest.mark.parametrize(
    ("sentence", "change", "code"), CHANGES[1:], ids=[row[0] for row in CHANGES[1:]]
)
def test_a_node_at_a_line_gets_nothing_once(
    sentence: str, change: Change, code: str, world: LinkWorld
) -> None:
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - its code is looked at
        asyncio.run(converse(world, renew(world), change, line=True))
    assert getattr(refusal.value, "code", refusal.value) == code, sentence


def peer(world: LinkWorld, certificate: bytes = b"") -> Peer:
    """Whoever holds this certificate, or a fresh one of the node."""
    return by_certificate(certificate or world.certificate(NODE), world.manager.name)


async def at_line(world: LinkWorld, pipeline: Pipeline) -> Peer:
    """The node, by its key."""
    key = world.node_keys[NODE]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(proof.tbs(NODE, bytes(16)), ec.ECDSA(hashes.SHA256()))
    return await pipeline.read(lambda site: by_proof(site, NODE, bytes(16), signature))


async def converse(world: LinkWorld, message: bytes, change: Change, *, line: bool = False) -> None:
    clock = Moment(world)
    async with at_pipeline(world, clock) as pipeline:
        channel = QuietChannel(pipeline)
        other = await at_line(world, pipeline) if line else peer(world)
        session = Session(channel, other)
        await session.receive(HELLO)
        assert await session.receive(message), "it is answered before"
        change(world, clock)
        await nothing_comes_of(session, message, world, channel.sent)


@pytest.mark.parametrize(("sentence", "change", "code"), CHANGES, ids=[row[0] for row in CHANGES])
def test_a_silent_node_is_cut_off_once(
    sentence: str, change: Change, code: str, world: LinkWorld
) -> None:
    async def refresh() -> None:
        clock = Moment(world)
        async with at_pipeline(world, clock) as pipeline:
            session = Session(QuietChannel(pipeline), peer(world))
            await session.receive(HELLO)
            await session.refresh()
            change(world, clock)
            await session.refresh()

    with pytest.raises(Exception) as refusal:  # noqa: PT011 - its code is looked at
        asyncio.run(refresh())
    assert getattr(refusal.value, "code", refusal.value) == code, sentence


def greet(world: LinkWorld, *said: bytes, now: int = 0) -> list[tuple[int, tuple[Any, ...]]]:
    """What a node at a line hears that says HELLO, each time from the beginning."""

    async def talk() -> list[bytes]:
        clock = Moment(world)
        clock.now = now or world.now
        async with at_pipeline(world, clock) as pipeline:
            channel = QuietChannel(pipeline)
            session = Session(channel, await at_line(world, pipeline))
            for one in said:
                await session.receive(one)
            return channel.sent

    return [messages.parse(one[4:]) for one in asyncio.run(talk())]


def hello(*held: tuple[str, bytes, int], bundle: int = 0) -> bytes:
    return messages.write(
        messages.HELLO, messages.PROTOCOL, NODE, bytes(16), bundle, bytes(16), 0, "", list(held)
    )


def test_only_a_newer_bundle_is_sent(world: LinkWorld) -> None:
    newest = world.manager.bundle()
    for has, sent in ((-1, newest.der), (0, b""), (1, b"")):
        ((kind, values), *_) = greet(world, hello(bundle=newest.version + has))
        assert (kind, values[1]) == (messages.WELCOME, sent), has


def test_what_a_node_says_that_it_holds_is_all_that_it_holds(world: LinkWorld) -> None:
    world.manager.undeploy(NODE, "thermo")
    given = ("thermo", bytes(15) + b"1", 2)
    for told, kept in (
        ((given, ("invented", bytes(15) + b"2", 2)), {"thermo": given[1]}),
        ((), {}),
    ):
        world.manager.assign(NODE, "thermo")
        greet(world, hello(*told))
        world.manager.undeploy(NODE, "thermo")
        greet(world, hello(*told))
        with database.reading(world.manager.engine) as connection:
            rows = connection.execute(select(tables.holdings)).all()
            assert {row.service: row.serial for row in rows} == kept


def test_a_seal_is_replaced_in_its_last_second(world: LinkWorld) -> None:
    made = parsed(world.manager.deployment(NODE, "thermo").seal.der)
    held = hello(("thermo", made.serial.to_bytes(16, "big"), 2))
    for now, kinds in (
        (made.not_after - 1, [messages.WELCOME]),
        (made.not_after, [messages.WELCOME, messages.ASSIGN]),
    ):
        assert [kind for kind, _ in greet(world, held, now=now)] == kinds


def test_a_service_that_can_not_be_sealed_now_is_refused_alone(world: LinkWorld) -> None:
    (_, said) = greet(world, hello(), now=world.now + 2 * NODE_SECONDS)
    assert said == (messages.REFUSED, ("thermo", "expired"))


# Certificates that TLS, or an older look at the trust bundle, has let in: the session checks again.
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

    async def say_hello() -> None:
        async with at_pipeline(world, Moment(world)) as pipeline:
            channel = QuietChannel(pipeline)
            session = Session(channel, peer(world, certificate))
            await nothing_comes_of(session, HELLO, world, channel.sent)

    with pytest.raises(Exception) as refusal:  # noqa: PT011 - its code is looked at
        asyncio.run(say_hello())
    assert getattr(refusal.value, "code", refusal.value) == code


@asynccontextmanager
async def at_pipeline(world: LinkWorld, clock: Moment) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(world.manager.engine, world.manager.authority, clock)
    working = asyncio.create_task(pipeline.run())
    try:
        yield pipeline
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


def recorded(world: LinkWorld) -> list[int]:
    counted = tables.seals, tables.certificates
    with database.reading(world.manager.engine) as connection:
        counts = [select(func.count()).select_from(table) for table in counted]
        return [int(connection.execute(count).scalar_one()) for count in counts]
