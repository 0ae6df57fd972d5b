"""A conversation under arbitrary bytes and messages: it is refused, and nothing else changes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from sealcore import messages
from sealcore.errors import SealError
from tests import full
from tests.worlds.channels import QuietChannel
from tests.worlds.link_world import SECONDS, LinkWorld, parsed
from triseal import database
from triseal.errors import Failure
from triseal.site.records import tables
from triseal.site.records.ledger import find_seal
from triseal.site.server.sessions.peers import Peer, by_certificate
from triseal.site.server.sessions.session import Session
from triseal.site.server.signing.pipeline import Pipeline

NODES = ("kitchen", "hall")
SERVICES = ("thermo", "lock", "invented")

names = st.sampled_from([*NODES, *SERVICES, "x"])
small = st.integers(0, 70000)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "n": names,
    "t": st.text(max_size=20),
    "c": st.text(max_size=8),
    "i": small,
    "w": small,
    "e": st.integers(0, len(messages.STATES) - 1),
    "k": st.binary(min_size=16, max_size=16),
    "s": st.binary(max_size=16),
    "h": st.binary(min_size=32, max_size=32),
    "o": st.binary(max_size=64),
}


def values(fields: str) -> st.SearchStrategy[tuple[Any, ...]]:
    plain, _, rest = fields.partition("[")
    parts = [VALUES[letter] for letter in plain]
    if rest:
        inner = rest[:-1]
        record = VALUES[inner] if len(inner) == 1 else values(inner)
        parts.append(st.lists(record, max_size=4))
    return st.tuples(*parts)


FIELDS: list[str] = messages._FIELDS.split()
any_message = st.integers(0, len(FIELDS) - 1).flatmap(
    lambda kind: values(FIELDS[kind]).map(lambda found: messages.write(kind, *found))
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    octets = bytearray(draw(any_message))
    for _ in range(draw(st.integers(1, 4))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    return bytes(octets)


class Conversation:
    """A session of a greeted node, in a thread with a pipeline."""

    def __init__(self, world: LinkWorld) -> None:
        self.world = world
        self.certificate = world.certificate("kitchen")
        self.sent: list[bytes] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.pipeline = self.do(self._open())
        self.working = self.do(self._start())

    async def _open(self) -> Pipeline:
        return Pipeline(self.world.manager.engine, self.world.manager.authority)

    async def _start(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.pipeline.run())

    def do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(SECONDS)

    def say(self, said: list[bytes], greet: bool) -> None:
        """Say these to a new session, until it refuses one."""
        channel = QuietChannel(self.pipeline)
        self.sent = channel.sent
        session = Session(channel, self._peer())
        if greet:
            hello = messages.write(
                messages.HELLO, messages.PROTOCOL, "kitchen", bytes(16), 1, bytes(16), 0, "", []
            )
            said = [hello, *said]
        for one in said:
            try:
                self.do(session.receive(one))
            except (SealError, Failure):  # nothing else may come out
                return

    def _peer(self) -> Peer:
        return by_certificate(self.certificate, self.world.manager.name)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.working.cancel)
        self.do(_finished(self.working))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def _finished(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    with LinkWorld(tmp_path_factory.mktemp("session")) as world:
        world.deploy("kitchen", "thermo")
        world.deploy("hall", "thermo", "lock")
        world.manager.grant("thermo", ["log"], ["hall"])
        with closing(Conversation(world)) as made:
            yield made


@settings(
    max_examples=full.examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    said=st.lists(st.one_of(any_message, damaged(), st.binary(max_size=64)), max_size=6),
    greet=st.booleans(),
)
def test_whatever_a_node_says(conversation: Conversation, said: list[bytes], greet: bool) -> None:
    world = conversation.world
    others = foreign(world)
    conversation.sent.clear()
    conversation.say(said, greet)
    assert foreign(world) == others, "only the node's own services are sealed for it"
    for frame in conversation.sent:
        kind, found = messages.parse(frame[4:])
        if kind == messages.ASSIGN:
            seal = parsed(found[1])
            assert seal.uri == "spiffe://house/node/kitchen/service/thermo"
            assert seal.grants == ()
            with database.reading(world.manager.engine) as connection:
                assert find_seal(connection, seal.serial) == found[1]


def foreign(world: LinkWorld) -> tuple[int, int, int]:
    """How much the site has of what is none of the kitchen's thermo."""
    with database.reading(world.manager.engine) as connection:
        counts = []
        for table in (tables.seals, tables.holdings):
            own = (table.c.node == "kitchen") & (table.c.service == "thermo")
            query = select(func.count()).select_from(table).where(~own)
            counts.append(int(connection.execute(query).scalar_one()))
        revision = connection.exec_driver_sql("SELECT number FROM revision").scalar_one()
    return counts[0], counts[1], int(revision)
