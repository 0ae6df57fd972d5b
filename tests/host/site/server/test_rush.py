"""Under load: only what changed is read again, the urgent comes first, nothing is done in vain."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from sealcore import messages
from tests.worlds.link_world import LinkWorld, close_nodes, serving, until
from tests.worlds.site_world import World, make_developer, make_request
from triseal import database, signer
from triseal.certificate import Validity
from triseal.site.records import revision
from triseal.site.records.placement import Place
from triseal.site.server.handlers import renew
from triseal.site.server.limits import Limits
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.peers import by_certificate
from triseal.site.server.sessions.reception import Reception
from triseal.site.server.signing.desired_state import DesiredState, NodePlan
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.signing.task import Answer, Snapshot
from triseal.site.server.transports.tls_frames import Frames
from triseal.site.slca.authority import SignedSeal

NODES = ("attic", "hall", "kitchen")
SERVICES = ("lock", "thermo")
LATER = 1000.0  # seconds of patience, so that only the order counts


@pytest.fixture(autouse=True)
def _all_closed() -> Iterator[None]:
    yield
    close_nodes()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        for service in SERVICES:
            made.manager.add_service(made.package(service))
        for node in NODES:
            made.add_node(node)
            for service in SERVICES:
                made.manager.assign(node, service)
        yield made


# Changes, and the places whose plans they change: "" for all.
Change = Callable[[World], object]
CHANGES: tuple[tuple[str, Change, str, str], ...] = (
    ("a grant on one node", lambda w: w.manager.grant("lock", ["log"], ["hall"]), "hall", "lock"),
    ("a grant everywhere", lambda w: w.manager.grant("lock", ["pin:4"]), "", "lock"),
    ("one grant less", lambda w: w.manager.revoke("lock", ["pin:4"]), "", "lock"),
    ("a service is taken away", lambda w: w.manager.undeploy("hall", "lock"), "hall", "lock"),
    ("it comes back", lambda w: w.manager.assign("hall", "lock"), "hall", "lock"),
    (
        "a newer package is held",
        lambda w: w.manager.add_service(w.package("lock", version="2.0"), hold=True),
        "",
        "lock",
    ),
    ("one node gets it", lambda w: w.manager.rollout("lock", ["hall"]), "hall", "lock"),
    ("all get it", lambda w: w.manager.rollout("lock"), "", "lock"),
    ("a node gets another key", lambda w: replace_key(w, "hall"), "hall", ""),
    ("a node is asked to restart", lambda w: w.manager.restart("hall", "lock"), "hall", "lock"),
    ("a new trust bundle", lambda w: w.manager.trust_developer("Eve", eve(w)), "", ""),
)


def replace_key(world: World, node: str) -> None:
    world.manager.enrol(node, make_request(signer.generate("p256"), node), replace=True)


def eve(world: World) -> bytes:
    return make_developer("Eve").signer.spki


def test_after_a_change_only_the_changed_places_are_read_again(world: World) -> None:
    kept = DesiredState(world.manager.preparer)
    before = read(world, kept)
    for sentence, change, node, service in CHANGES:
        change(world)
        after = read(world, kept)
        fresh = read(world, DesiredState(world.manager.preparer))
        for name in NODES:
            assert after[name] == fresh[name], sentence
            hit = node in ("", name)
            told = kept.changed_at(name) == kept.revision
            assert told == hit, f"{sentence}: {name}"
            assert (after[name] is before[name]) == (not hit), sentence
            for one in SERVICES:
                if not hit or service not in ("", one):
                    same = after[name].services[one] is before[name].services[one]
                    assert same, f"{sentence}: {name} {one}"
        before = after


def read(world: World, state: DesiredState) -> dict[str, NodePlan]:
    with database.reading(world.manager.engine) as connection:
        state.refresh(connection)
        return {node: state.of(connection, node, world.now) for node in NODES}


def test_after_a_jump_everything_is_read_again(world: World) -> None:
    kept = DesiredState(world.manager.preparer)
    before = read(world, kept)
    with database.writing(world.manager.engine) as connection:
        # As a restored backup leaves it: the change is noted with a number that is long past.
        connection.execute(revision.touched.delete())
        revision.jump(connection, kept.revision + 1000)
    after = read(world, kept)
    assert all(after[node] is not before[node] for node in NODES)
    assert after == before


def test_a_retired_node_is_no_longer_known(world: World) -> None:
    kept = DesiredState(world.manager.preparer)
    read(world, kept)
    world.manager.retire("hall")
    with database.reading(world.manager.engine) as connection:
        kept.refresh(connection)
        assert kept.changed_at("hall") == kept.revision > kept.changed_at("kitchen")
        with pytest.raises(Exception, match="retired"):
            kept.of(connection, "hall", world.now)


@asynccontextmanager
async def running(pipeline: Pipeline) -> AsyncIterator[None]:
    working = asyncio.create_task(pipeline.run())
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait([working])


def pipeline_of(world: World) -> Pipeline:
    return Pipeline(world.manager.engine, world.manager.authority, lambda: world.now)


STALE: tuple[tuple[str, str, Change, int], ...] = (
    ("another node", "kitchen", lambda w: w.manager.grant("lock", ["log"], ["hall"]), 1),
    ("another service", "kitchen", lambda w: w.manager.grant("lock", ["log"], ["kitchen"]), 1),
    ("this place", "kitchen", lambda w: w.manager.grant("thermo", ["log"], ["kitchen"]), 2),
    ("this service", "kitchen", lambda w: w.manager.grant("thermo", ["log"]), 2),
    ("this node", "kitchen", lambda w: replace_key(w, "kitchen"), 2),
    ("the whole site", "kitchen", lambda w: w.manager.trust_developer("Eve", eve(w)), 2),
    ("any, for an answer of the site", "", lambda w: w.manager.grant("lock", ["log"], ["hall"]), 2),
)


@pytest.mark.parametrize(("sentence", "node", "change", "runs"), STALE)
def test_an_answer_is_made_again_if_the_change_concerns_it(
    world: World, sentence: str, node: str, change: Change, runs: int
) -> None:
    done = 0

    def task(snapshot: Snapshot) -> Answer:
        nonlocal done
        done += 1
        answer = renew.renew(snapshot, "kitchen", 0, [("thermo", b"")])
        if done == 1:
            change(world)
        return answer

    async def ask() -> None:
        pipeline = pipeline_of(world)
        async with running(pipeline):
            await pipeline.answer(task, node)

    asyncio.run(ask())
    assert done == runs, sentence


def test_the_urgent_comes_first(world: World) -> None:
    order: list[str] = []

    def task(name: str) -> Callable[[Snapshot], Answer]:
        def run(_: Snapshot) -> Answer:
            order.append(name)
            return Answer()

        return run

    async def ask() -> None:
        pipeline = pipeline_of(world)
        for service, life in (("lock", 40), ("thermo", 20)):
            pipeline._issue_cache.issued(Place("hall", service), seal(world, service, life))
        asked = [
            pipeline.answer(task("change"), "attic", 6 * LATER),
            pipeline.answer(task("hello"), "attic", 4 * LATER),
            pipeline.answer(task("second"), "attic", LATER),
            pipeline.answer(task("third"), "attic", LATER),
            pipeline.answer(task("ends later"), "hall", LATER, ["lock"]),
            pipeline.answer(task("ends soon"), "hall", LATER, ["lock", "thermo"]),
            pipeline.answer(task("of the site")),
        ]
        waiting = asyncio.gather(*asked)
        await asyncio.sleep(0)  # all of them are asked
        async with running(pipeline):
            await waiting

    asyncio.run(ask())
    assert order == [
        "of the site", "ends soon", "ends later", "second", "third", "hello", "change",
    ]  # fmt: skip


def seal(world: World, service: str, life: int) -> SignedSeal:
    deployment = world.manager.deployment("hall", service).seal
    return world.manager.authority.seal(deployment.template, Validity(world.now, world.now + life))


def test_nothing_is_done_for_a_node_that_has_left(world: World) -> None:
    done: list[str] = []

    def task(_: Snapshot) -> Answer:
        done.append("in vain")
        return Answer()

    async def ask() -> None:
        pipeline = pipeline_of(world)
        left = asyncio.create_task(pipeline.answer(task, "hall", gone=lambda: True))
        ended = asyncio.create_task(pipeline.answer(task, "hall"))
        await asyncio.sleep(0)  # both are asked
        ended.cancel()
        async with running(pipeline):
            with pytest.raises(EOFError):
                await left
            await pipeline.refresh()

    asyncio.run(ask())
    assert done == []


def test_one_snapshot_does_not_keep_the_urgent_waiting(world: World) -> None:
    moments = itertools.count()
    order: list[str] = []

    async def ask() -> None:
        pipeline = pipeline_of(world)
        loop = asyncio.get_running_loop()
        asked: list[asyncio.Task[Answer]] = []
        urgent = asyncio.Event()

        def slow(_: Snapshot) -> Answer:
            order.append("slow")
            if next(moments) == 0:
                loop.call_soon_threadsafe(urgent.set)
                time.sleep(0.2)  # longer than one snapshot may be used
            return Answer()

        def quick(_: Snapshot) -> Answer:
            order.append("urgent")
            return Answer()

        asked += [asyncio.create_task(pipeline.answer(slow, "hall", LATER)) for _ in range(20)]
        await asyncio.sleep(0)
        async with running(pipeline):
            await urgent.wait()
            await pipeline.answer(quick, "attic")
            await asyncio.gather(*asked)

    asyncio.run(ask())
    assert order.index("urgent") == 1


def test_the_limit_for_a_hello_is_for_the_node_and_not_for_the_site(tmp_path: Path) -> None:
    async def greet(world: LinkWorld) -> int:
        limits = Limits(hello_seconds=0.0)  # everything that has to wait at all is too late
        pipeline = Pipeline(world.manager.engine, world.manager.authority)
        reception = Reception(pipeline, limits, Metrics())
        ours, theirs = socket.socketpair()
        with theirs:
            frames = Frames(limits.frame_seconds, limits.write_seconds, limits.write_bytes)
            await asyncio.get_running_loop().create_connection(lambda: frames, sock=ours)
            frames.data_received(hello("kitchen"))
            peer = by_certificate(world.certificate("kitchen"), world.manager.name)
            async with running(pipeline):
                served = asyncio.create_task(reception.serve(frames, peer, lambda: None))
                theirs.setblocking(False)
                answer = await asyncio.get_running_loop().sock_recv(theirs, 8192)
                frames.close()
                await served
        return int(messages.parse(answer[4 : 4 + messages.frame_size(answer[:4])])[0])

    with LinkWorld(tmp_path) as world:
        world.deploy("kitchen", "thermo")
        assert asyncio.run(greet(world)) == messages.WELCOME


def hello(node: str) -> bytes:
    kind, protocol = messages.HELLO, messages.PROTOCOL
    said = messages.write(kind, protocol, node, bytes(16), 0, bytes(16), 0, "", [])
    return messages.frame(said)


def test_a_proven_node_is_no_stranger_and_has_one_connection(
    tmp_path: Path, stack: ExitStack
) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    with serving(world, Limits(handshakes=2, connections=1)) as site:
        older, node = (world.node("kitchen", site.port) for _ in range(2))
        older.connect()
        until(lambda: site.counted("triseal_connecting") == 0, "it has proved who it is")
        node.connect()
        assert older.closed()
        until(lambda: site.counted("triseal_closed_connections_total", code="replaced") == 1, "it")
        for _ in range(5):
            stack.enter_context(socket.create_connection(("127.0.0.1", site.port)))
        until(lambda: site.counted("triseal_closed_connections_total", code="evicted") == 3, "all")
        node.tls.sendall(hello("kitchen"))
        assert node.read()[0] == messages.WELCOME
