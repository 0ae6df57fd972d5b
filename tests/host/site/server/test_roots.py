"""Changes of the roots reach nodes step by step, however long they were away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sealcore import bundle
from tests.worlds.link_world import LinkWorld, Node, close_nodes, serving
from tests.worlds.site_world import code_of, make_developer, signed_package
from triseal import request
from triseal.signer import KeySigner, generate
from triseal.site.rules import trust

NODE = "kitchen"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path) as made:
        made.deploy(NODE, "thermo")
        yield made
    close_nodes()


def follow(node: Node, held: bundle.TrustBundle) -> list[int]:
    """Take each bundle that a node is given, as it does, up to the newest; their versions."""
    seen: list[int] = []
    while True:
        _, newer = node.hello((held.version, bytes(held.mark)))
        if not newer:
            return seen
        given = bundle.parse(newer)
        given.check_update(held)
        held = given
        seen.append(held.version)
        if held.version == node.world.manager.bundle().version:
            return seen
        assert node.closed(), "after a step it must connect again"


def replace_root(world: LinkWorld) -> KeySigner:
    """Another root takes the place of the only one; its version goes up by two."""
    new = KeySigner(generate("p256"))
    site = world.manager
    old = site.bundle().roots[1][-1]
    site.change_trust(trust.with_root(new.spki))
    site.use_roots([new])
    site.change_trust(trust.without_root(request.fingerprint(bytes(old))))
    return new


def test_a_node_that_slept_takes_each_change_of_the_roots(world: LinkWorld) -> None:
    site = world.manager
    held = site.bundle()
    site.trust_developer("Bob", make_developer().signer.spki)
    for _ in range(3):
        replace_root(world)
    site.trust_developer("Cleo", make_developer().signer.spki)
    newest = site.trust_developer("Dora", make_developer().signer.spki)
    first = held.version + 1
    with serving(world) as server:
        node = world.node(NODE, server.port)
        # The ordinary version before the first change, six changes, and the newest at once.
        assert follow(node, held) == [*range(first, first + 7), newest.version]
        assert follow(node, newest) == []
        assert follow(node, site.bundle()) == []


def test_an_old_root_alone_changes_nothing_any_more(world: LinkWorld) -> None:
    site = world.manager
    (old,) = site.signers
    replace_root(world)
    with world.open() as other:  # it has the key of the old root in its folder, and no other
        eve = make_developer("Eve").signer.spki
        assert code_of(lambda: other.trust_developer("Eve", eve)) == "signatures-wanted"
        assert other.signers[0].spki == old.spki


def test_a_developer_who_may_not_sign_services_is_refused(world: LinkWorld) -> None:
    eve = make_developer("Eve")
    site = world.manager
    site.change_trust(trust.with_developer("Eve", eve.signer.spki, 0x40))
    package = world.store.countersign(signed_package(eve, "lamp"))
    assert code_of(lambda: site.add_service(package)) == "untrusted-kind"
    site.trust_developer("Eve", eve.signer.spki)
    site.add_service(package)
