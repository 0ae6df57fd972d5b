"""Trust bundles over the link: which one a node has, and when the site knows that."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sealcore import bundle, messages
from tests.worlds.link_world import LinkWorld, Node, close_nodes, serving, until
from tests.worlds.site_world import code_of, ends, make_developer
from triseal import database
from triseal.site.views import overview
from triseal.site.views.overview import NodeFacts

RUNNING = messages.STATES.index("running")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made
    close_nodes()


def facts(world: LinkWorld) -> NodeFacts:
    with database.reading(world.manager.engine) as connection:
        (one,) = overview.all_nodes(connection, world.manager.issuer)
    return one


def renews(node: Node) -> None:
    node.send(messages.RENEW, 0, [("thermo", node.serial("thermo"))])
    node.expect(messages.RENEWED)


def reports(node: Node) -> None:
    node.send(messages.REPORT, "thermo", node.serial("thermo"), RUNNING, "", "", 0, [])


def asks_the_time(node: Node) -> None:
    node.send(messages.ASK_TIME, secrets.token_bytes(16), 0)
    node.expect(messages.TIME)


def logs(node: Node) -> None:
    node.send(messages.LOG, "thermo", "a line that was on its way")


SAID: tuple[tuple[str, Callable[[Node], None], bool], ...] = (
    ("a renewal", renews, True),
    ("a report", reports, True),
    ("a question for the time", asks_the_time, True),
    ("a line of a log", logs, False),
    ("nothing: the connection breaks", lambda _: None, False),
)


def test_the_first_word_after_a_newer_bundle_confirms_it(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    with serving(world) as site:
        for sentence, say, confirms in SAID:
            bob = make_developer("Bob").signer.spki
            before = world.manager.bundle()
            version = world.manager.trust_developer("Bob", bob).version
            node = world.node("kitchen", site.port)
            newer = node.hello((before.version, before.mark))[1]
            assert bundle.parse(newer).version == version
            node.expect(messages.ASSIGN)
            assert facts(world).bundle_version == before.version
            say(node)
            if confirms:
                until(lambda: facts(world).bundle_version == version, sentence)  # noqa: B023
                assert not world.manager.guarantee_of_bundle(version).waiting, sentence
            node.close()
            node.closed() if confirms else None
            assert (facts(world).bundle_version == version) is confirms, sentence


def test_two_bundles_of_one_version_are_told_apart(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    world.manager.deployment("kitchen", "thermo")
    newest = world.manager.distrust_developer("Ada")
    for version, mark, other in (
        (newest.version, newest.mark, False),
        (newest.version, bytes(16), True),
        (newest.version + 2, newest.mark, True),
        (newest.version - 1, newest.mark, True),
        (0, bytes(16), False),  # it has none yet
    ):
        world.manager.heard("kitchen", {"thermo": (bytes(16), "running")}, version, 0, mark)
        assert facts(world).other_bundle is other, (version, mark)
        confirmed = world.manager.guarantee_of_bundle(newest.version).confirmed
        assert confirmed == (() if other or not version else ("kitchen",))
    assert ends(world.manager.guarantee_of_bundle(newest.version)).keys() == {"kitchen"}


AHEAD = ((0, 1), (1, 2), (1000, 1001), (1001, 1), (2**31 - 5, 1))


@pytest.mark.parametrize(("ahead", "jump"), AHEAD)
def test_the_next_bundle_is_above_what_nodes_have(
    tmp_path: Path, stack: ExitStack, ahead: int, jump: int
) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.add_node("kitchen")
    newest = world.manager.bundle().version
    world.manager.heard("kitchen", {}, newest + ahead, 0, bytes(16))
    spki = make_developer("Bob").signer.spki
    assert code_of(lambda: world.manager.trust_developer("Bob", spki)) == ""
    assert world.manager.bundle().version == newest + jump
