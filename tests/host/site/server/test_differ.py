"""DIFFER: what a node gets of a file of which it has another version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sealcore import messages
from sealcore.compat import sha256
from tests.worlds.channels import QuietChannel
from tests.worlds.link_world import SECONDS, LinkWorld, Node, Serving, serving
from triseal import database
from triseal.package import Package
from triseal.site.server.sessions.peers import by_certificate
from triseal.site.server.sessions.session import Session
from triseal.site.server.signing.differences import LARGEST, Differences

LINES = [b"number = %d\n" % (number * 7919) for number in range(1, 1001)]
OLD = b"".join(LINES)
NEW = b"".join([*LINES[:200], b"changed = True\n", *LINES[200:600], *LINES[640:]])
LITTLE = b"# nothing of it\n" * 500 + b"".join(LINES[:30])
PIECES, CHUNK, COMPARED = "pieces", "chunk", "compared"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path_factory.mktemp("differ")) as made:
        for node in ("kitchen", "hall"):
            made.deploy(node, "lamp")
        add(made, "1.0", OLD)
        add(made, "1.1", OLD + b"#" * LARGEST)
        add(made, "1.2", LITTLE)
        PACKAGES["lamp"] = made.package("lamp", version="2.0", executable=OLD + b"#\n")
        made.manager.add_service(PACKAGES["lamp"])
        add(made, "2.0", NEW)
        for node in ("kitchen", "hall"):
            made.manager.assign(node, "thermo")
        yield made


PACKAGES: dict[str, Package] = {}


def add(world: LinkWorld, version: str, executable: bytes) -> None:
    PACKAGES[version] = world.package(version=version, executable=executable)
    world.manager.add_service(PACKAGES[version])


def digest_of(version: str) -> bytes:
    """The digest of a package."""
    return sha256(PACKAGES[version].store_seal)


@pytest.fixture
def site(world: LinkWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


@pytest.fixture
def kitchen(world: LinkWorld, site: Serving) -> Node:
    return greeted(world.node("kitchen", site.port))


def greeted(node: Node) -> Node:
    node.hello()
    for _ in range(2):
        node.expect(messages.ASSIGN)
    return node


def wanted(node: Node, name: str = "app.py") -> tuple[int, bytes]:
    """Size and digest of a file of the new version."""
    return {file: (size, digest) for file, size, digest in node.files["thermo"]}[name]


def put_together(node: Node, old: bytes, held: bytes) -> tuple[bytes, int]:
    """The new executable, and how many of its bytes came."""
    size, digest = wanted(node)
    made, came = b"", 0
    while len(made) < size:
        node.send(messages.DIFFER, digest, len(made), held)
        of, offset, pieces = node.expect(messages.PIECES)
        assert (of, offset) == (digest, len(made))
        for data, begin, length in pieces:
            made += data + old[begin : begin + length]
            came += len(data)
    return made, came


def test_what_differs_comes_and_is_computed_once_for_all_nodes(
    world: LinkWorld, site: Serving, kitchen: Node
) -> None:
    for node in (kitchen, greeted(world.node("hall", site.port))):
        made, came = put_together(node, OLD, digest_of("1.0"))
        assert made == NEW
        assert came < 60
    answers = "triseal_answers_total"
    site.check_counted(2, answers, outcome=PIECES)
    site.check_counted(1, answers, outcome=COMPARED)


# (which package the node says it has)
WHOLE: tuple[tuple[str, Callable[[], bytes]], ...] = (
    ("one that the site does not have", lambda: bytes(32)),
    ("none", lambda: b""),
    ("a large one", lambda: digest_of("1.1")),
    ("one that has little in common", lambda: digest_of("1.2")),
)


@pytest.mark.parametrize(("sentence", "held"), WHOLE, ids=[row[0] for row in WHOLE])
def test_all_of_a_file_comes_to_a_node_that_has(
    sentence: str, held: Callable[[], bytes], kitchen: Node
) -> None:
    _, digest = wanted(kitchen)
    kitchen.send(messages.DIFFER, digest, 100, held())
    due = digest, 100, NEW[100 : 100 + messages.MAX_CHUNK]
    assert kitchen.expect(messages.CHUNK) == due, sentence


def test_the_package_of_another_service_is_compared_with_none(kitchen: Node) -> None:
    _, digest = wanted(kitchen)
    kitchen.send(messages.DIFFER, digest, 0, digest_of("lamp"))
    kitchen.expect(messages.CHUNK)


def test_what_is_no_executable_comes_whole(kitchen: Node) -> None:
    for name in ("metadata.json", "developer.der", "store.der"):
        size, digest = wanted(kitchen, name)
        kitchen.send(messages.DIFFER, digest, 0, digest_of("1.0"))
        assert len(kitchen.expect(messages.CHUNK)[2]) == min(size, messages.MAX_CHUNK)


REFUSED: tuple[tuple[str, Callable[[Node], tuple[Any, ...]], str], ...] = (
    ("behind the end", lambda node: (wanted(node)[1], len(NEW), digest_of("1.0")), "bad-message"),
    ("a file of nobody", lambda _: (bytes(32), 0, digest_of("1.0")), "not-assigned"),
    ("the old version", lambda _: (sha256(OLD), 0, digest_of("2.0")), "not-assigned"),
)


@pytest.mark.parametrize(("sentence", "asked", "code"), REFUSED, ids=[row[0] for row in REFUSED])
def test_who_asks_for_what_there_is_not_is_left(
    sentence: str,
    asked: Callable[[Node], tuple[Any, ...]],
    code: str,
    site: Serving,
    kitchen: Node,
) -> None:
    kitchen.send(messages.DIFFER, *asked(kitchen))
    assert kitchen.closed(), sentence
    site.check_counted(1, "triseal_closed_connections_total", code=code)


def test_a_difference_that_must_be_computed_costs_its_node_more_than_one_that_is_known(
    world: LinkWorld,
) -> None:
    paced: list[int] = []

    class Paced(QuietChannel):
        async def pace(self, units: int) -> None:
            paced.append(units)

    async def talk(running: Serving) -> None:
        peer = by_certificate(world.certificate("kitchen"), world.manager.name)
        session = Session(Paced(running.pipeline), peer)
        said: tuple[Any, ...] = messages.PROTOCOL, "kitchen", bytes(16), 0, bytes(16), 0, "", []
        await session.receive(messages.write(messages.HELLO, *said))
        paced.clear()
        for _ in range(2):
            asked = sha256(NEW), 0, digest_of("1.0")
            await session.receive(messages.write(messages.DIFFER, *asked))

    with serving(world) as running:
        asyncio.run_coroutine_threadsafe(talk(running), running._loop).result(SECONDS)
    assert paced == [1, 64, 1, 0]


def test_a_bounded_number_of_differences_is_kept(world: LinkWorld) -> None:
    differences = Differences()
    versions = [f"3.{number}" for number in range(18)]
    for number, version in enumerate(versions):
        PACKAGES[version] = world.package(version=version, executable=b"".join(LINES[number:]))
        world.manager.add_service(PACKAGES[version], hold=True)
    first, *others = [digest_of(version) for version in versions]
    with database.reading(world.manager.engine) as connection:

        def computed(held: bytes) -> int:
            """How many differences more this one costs."""
            before = differences.computed
            assert differences.of(connection, "thermo", held, first)
            return differences.computed - before

        assert [computed(held) for held in others] == [1] * 17
        assert [computed(held) for held in others[1:]] == [0] * 16
        assert computed(others[0]) == 1
        assert [computed(held) for held in others[:2]] == [0, 1], "the oldest one went"
