"""A board and a site of the program before roots: both go on, and nobody needs a cable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from boards.port import Port
from boards.virtual.board import VirtualBoard
from sealcore import bundle
from tests.device.linked import deploy, package
from tests.device.node import Node
from tests.worlds import version_1
from tests.worlds.link_world import serving
from tests.worlds.site_world import code_of, make_developer
from tests.worlds.version_1 import BUNDLE, NODE, SERVICE, OldWorld
from triseal import signer
from triseal.keysource import NewKey
from triseal.signer import KeySigner
from triseal.site.cable.agent import NodeStatus


@pytest.fixture
def world(tmp_path: Path) -> Iterator[OldWorld]:
    made = OldWorld(tmp_path / "world")
    with made:
        yield made


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[[int], Node]]:
    """Starts the recorded board with the server at a port."""
    directory = version_1.board(tmp_path / "board")
    with ExitStack() as stack:

        def run(port: int) -> Node:
            settings = {"server": ["127.0.0.1", port], "spread": 1}
            (directory / "flash/triseal/settings.json").write_text(json.dumps(settings))
            virtual = stack.enter_context(VirtualBoard(directory))
            return Node(None, virtual, stack.enter_context(Port(virtual.port)))  # type: ignore[arg-type]

        yield run


def has(version: int, *services: str) -> Callable[[NodeStatus], bool]:
    return lambda told: (
        told.bundle_version == version
        and sorted(one.name for one in told.services if one.state == "running") == list(services)
    )


def test_a_board_of_version_1_follows_its_site_to_the_roots_over_the_link(
    world: OldWorld, connect: Callable[[int], Node]
) -> None:
    site = world.manager
    assert site.bundle().version == BUNDLE
    assert code_of(lambda: site.trust_developer("Bob", bytes(9))) == "no-site-root"
    with serving(world) as server:
        node = connect(server.port)
        node.until(has(BUNDLE, SERVICE))
        with world.open() as other:  # a person at the command line
            first = other.found_roots(NewKey("p256"))
            assert first.version == BUNDLE + 1
        node.until(has(BUNDLE + 1, SERVICE))
    # The site that serves reads where trust begins when it starts again.
    with world.open() as again, serving(world) as server:
        assert code_of(lambda: again.found_roots(NewKey("p256"))) == "already-exists"
        eve = make_developer("Eve")
        again.trust_developer("Eve", eve.signer.spki)
        world.manager.close()
        world.manager = again
        world.developer, ada = eve, world.developer
        deploy(world, NODE, package(world, "lamp"))
        world.developer = ada
        node.virtual.close()
        later = connect(server.port)
        later.until(has(BUNDLE + 2, "lamp", SERVICE))


def test_what_the_old_key_signs_alone_is_accepted_by_no_board_with_roots(world: OldWorld) -> None:
    held = world.manager.bundle()
    thief = world.manager.authority._signer
    first = world.manager.found_roots(NewKey("p256"))
    first.check_update(held)
    assert held.site_keys[0][1] == thief.spki
    assert code_of(lambda: held.check_update(first)) == "bad-signature"
    other = KeySigner(signer.generate("p256"))
    assert isinstance(first, bundle.TrustBundle)
    assert other.spki not in first.roots[1]
