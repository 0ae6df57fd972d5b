"""The link as a node sees it: seals come, are renewed, change and go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sealcore import bundle, messages
from tests.host.link_world import LinkWorld, Node, Serving, parsed, serving
from triseal import database
from triseal.site.ledger import find_seal


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> LinkWorld:
    made = LinkWorld(tmp_path_factory.mktemp("link"))
    made.deploy("kitchen", "thermo", "light")
    made.deploy("hall", "thermo")
    return made


@pytest.fixture(scope="module")
def site(world: LinkWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


@pytest.fixture
def kitchen(world: LinkWorld, site: Serving) -> Iterator[Node]:
    node = world.node("kitchen", site.port)
    yield node
    node.close()


def holding(node: Node) -> Node:
    """Connected, with a seal of each of its services."""
    node.hello()
    for _ in range(2):
        node.expect(messages.ASSIGN)
    return node


def test_a_fresh_node_gets_time_bundle_and_seals(world: LinkWorld, kitchen: Node) -> None:
    _, der = kitchen.hello()
    assert bundle.parse(der).version == world.manager.bundle().version
    services = {kitchen.expect(messages.ASSIGN)[0] for _ in range(2)}
    assert services == {"thermo", "light"}
    assert parsed(kitchen.seals["thermo"]).uri == "spiffe://house/node/kitchen/service/thermo"


def test_a_renewal_is_a_delta_that_was_recorded(world: LinkWorld, kitchen: Node) -> None:
    holding(kitchen)
    before = kitchen.seals["thermo"]
    kitchen.send(messages.RENEW, [("thermo", kitchen.serial("thermo"))])
    kitchen.expect(messages.RENEWED)
    after = kitchen.seals["thermo"]
    assert after != before
    with database.reading(world.manager.engine) as connection:
        assert find_seal(connection, parsed(after).serial) == after


def test_files_come_in_chunks(world: LinkWorld, kitchen: Node) -> None:
    holding(kitchen)
    package = world.package("thermo")
    for name, size, digest in kitchen.files["thermo"]:
        octets = b""
        while len(octets) < size:
            kitchen.send(messages.FETCH, digest, len(octets), 100)
            octets += kitchen.expect(messages.CHUNK)[2]
        assert len(octets) == size
        if name == "app.py":
            assert octets == package.executable
